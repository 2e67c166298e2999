//! What a repository's files come to, beside what kustomize itself makes of them.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use revdeck::{
    domain::{Operation, Request, RollBackTo, Scope, TargetId},
    platform::{Environment, Now, Platform, Registry, TargetSpec},
};

/// A file: its path, and what is in it.
type File = (String, String);

fn git(at: &Path, arguments: &[&str]) {
    let mut command = Command::new("git");
    command.current_dir(at).args(["-c", "user.name=Noor", "-c", "user.email=n@x"]);
    let told = command.args(arguments).env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
}

fn written(files: &[(String, String)]) -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let work = home.path().join("config");
    for (file, text) in files {
        let file = work.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    (home, work)
}

/// The images that revdeck takes for what runs.
async fn told(home: &Path, work: &Path) -> BTreeSet<String> {
    git(work, &["init", "-q", "--initial-branch=main"]);
    git(work, &["add", "--all"]);
    git(work, &["commit", "-q", "-m", "Start"]);
    git(home, &["clone", "-q", "--bare", "config", "config.git"]);
    let platform = open(home);
    let mut images = BTreeSet::new();
    for app in platform.apps(&Scope::Everything).await.unwrap() {
        let history = platform.revisions(&app.id).await.unwrap();
        let newest = history.revisions.first().map(|one| one.id.clone());
        let Some(newest) = newest else { panic!("{} has no revision", app.id) };
        let detail = platform.detail(&app.id, &newest).await.unwrap();
        images.extend(detail.facts.iter().map(|fact| fact.value.reveal().to_owned()));
    }
    images
}

/// The deck's view of `config.git`.
fn open(home: &Path) -> Arc<dyn Platform> {
    open_with(home, &[])
}

fn open_with(home: &Path, more: &[(&str, &str)]) -> Arc<dyn Platform> {
    let cache = home.join("cache").display().to_string();
    let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let environment =
        Environment::default().with([("XDG_CACHE_HOME".to_owned(), cache)]).with(more);
    let now: Now = Arc::new(|| "2026-11-01T12:00:00Z".parse().unwrap());
    let location = home.join("config.git").display().to_string();
    let spec =
        TargetSpec { id: TargetId::new("git"), ..TargetSpec::new("gitops", Some(&location)) };
    Registry::built_in().open(&[spec], &environment, &now).unwrap().remove(0)
}

/// The images that kustomize makes of directories; `None` where it refuses one of them.
fn built(work: &Path, roots: &[&str]) -> Option<BTreeSet<String>> {
    let mut images = BTreeSet::new();
    for root in roots {
        let told = Command::new("kubectl").arg("kustomize").arg(work.join(root)).output().unwrap();
        if !told.status.success() {
            return None;
        }
        images.extend(images_in(&told.stdout));
    }
    Some(images)
}

fn images_in(manifests: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(manifests);
    let lines = text.lines().map(|line| line.trim().trim_start_matches("- "));
    let image = lines.filter_map(|line| line.strip_prefix("image: "));
    image.map(|image| image.trim_matches(['"', '\'']).to_owned()).collect()
}

fn kubectl() -> bool {
    let there = Command::new("kubectl").arg("version").arg("--client").output().is_ok();
    if !there {
        crate::skipped::skipped("kubectl", "kustomize is not at hand");
    }
    there
}

const WEB: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  labels: {tier: front}\nspec:\n  template:\n    spec:\n      containers:\n      - name: app\n        image: reg/web:1\n      - name: side\n        image: reg/side:1\n";
const ROLLOUT: &str = "apiVersion: acme.example/v1\nkind: Machine\nmetadata:\n  name: web\nspec:\n  image: reg/web:1\n";
const TAKES: &str = "resources: [web.yaml]\n";

fn patch(image: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  template:\n    spec:\n      containers:\n      - name: app\n        image: {image}\n"
    )
}

fn indented(text: &str, by: usize) -> String {
    text.lines().fold(String::new(), |all, line| format!("{all}{:by$}{line}\n", ""))
}

fn operation(number: usize, image: &str) -> String {
    format!(
        "- op: replace\n  path: /spec/template/spec/containers/{number}/image\n  value: {image}\n"
    )
}

/// Each of these was told wrongly once: what is replaced was shown, or what runs was hidden.
#[tokio::test]
async fn what_is_told_is_what_kustomize_builds() {
    if !kubectl() {
        return;
    }
    let within = |text: &str| indented(text, 4);
    let two = format!("{WEB}---\n{}", WEB.replace("name: web\n", "name: api\n"));
    let spaces = format!(
        "{}---\n{}",
        WEB.replace("  name: web\n", "  name: web\n  namespace: a\n"),
        WEB.replace("  name: web\n", "  name: web\n  namespace: b\n")
    );
    let twice = WEB.replace("reg/side:1", "reg/web:1");
    let pod = |image: &str| WEB.replace("reg/web:1", image);
    let base = |text: &str| vec![("base/web.yaml".to_owned(), text.to_owned())];
    let over = |text: &str| {
        ("prod/kustomization.yaml".to_owned(), format!("resources: [../base]\n{text}"))
    };
    let smp = patch("reg/web:2");
    let op = operation(0, "reg/web:2");
    let cases: Vec<(&str, Vec<File>, Vec<File>)> = vec![
        ("operations in a file", base(&two), vec![
            over("patches:\n- path: op.yaml\n  target: {kind: Deployment, name: api}\n"),
            ("prod/op.yaml".into(), op.clone()),
        ]),
        ("a target by its kind", base(&two), vec![
            over("patches:\n- path: op.yaml\n  target: {kind: Deployment}\n"),
            ("prod/op.yaml".into(), op.clone()),
        ]),
        ("a target by a label", base(&two.replacen("tier: front", "tier: back", 1)), vec![over(
            &format!("patches:\n- target: {{labelSelector: tier=front}}\n  patch: |-\n{}", within(&op)),
        )]),
        ("a merge with a target", base(&two), vec![
            over("patches:\n- path: smp.yaml\n  target: {kind: Deployment, name: api}\n"),
            ("prod/smp.yaml".into(), smp.clone()),
        ]),
        ("a target that is a pattern", base(&two), vec![over(&format!(
            "patches:\n- target: {{kind: Deploy.*, name: 'a|w.*'}}\n  patch: |-\n{}",
            within(&op)
        ))]),
        ("two namespaces", base(&spaces), vec![over(&format!(
            "patches:\n- patch: |-\n{}",
            within(&smp.replace("  name: web\n", "  name: web\n  namespace: b\n"))
        ))]),
        ("two containers of one image", base(&twice), vec![over(&format!(
            "patches:\n- target: {{kind: Deployment}}\n  patch: |-\n{}",
            within(&operation(1, "reg/web:2"))
        ))]),
        ("an image of another kind", base(ROLLOUT), vec![over(
            "images:\n- {name: reg/web, newTag: '2'}\n",
        )]),
        ("entries over entries", vec![
            ("base/web.yaml".into(), WEB.into()),
            ("base/kustomization.yaml".into(), format!("{TAKES}images:\n- {{name: reg/web, newTag: '2'}}\n")),
        ], vec![over("images:\n- {name: reg/web, newTag: '3'}\n")]),
        ("entries over patches", base(WEB), vec![over(&format!(
            "images:\n- {{name: reg/web, newTag: '3'}}\npatches:\n- patch: |-\n{}",
            within(&smp)
        ))]),
        ("renamed below", vec![
            ("base/web.yaml".into(), WEB.into()),
            ("base/kustomization.yaml".into(), format!("{TAKES}images:\n- {{name: reg/web, newName: new/web}}\n")),
        ], vec![over("images:\n- {name: reg/web, newTag: '3'}\n- {name: new/web, newTag: '4'}\n")]),
        ("a name alone", base(WEB), vec![over("images:\n- {name: reg/web, newName: new/web}\n")]),
        ("two entries of one name", base(WEB), vec![over(
            "images:\n- {name: reg/web, newTag: '2'}\n- {name: reg/web, newTag: '3'}\n",
        )]),
        ("a suffix", base(WEB), vec![over("images:\n- {name: reg/web, tagSuffix: -slim}\n")]),
        ("a name that is a pattern", base(WEB), vec![over("images:\n- {name: '.*/web', newTag: '2'}\n")]),
        ("a dot in a name", base(&pod("reg.io/web:1")), vec![over(
            "images:\n- {name: reg.io/web, newTag: '2'}\n",
        )]),
        ("a digest over a tag", base(WEB), vec![over(
            "images:\n- {name: reg/web, digest: 'sha256:1234567890123456789012345678901234567890123456789012345678901234'}\n",
        )]),
        ("another image by a patch", base(WEB), vec![over(&format!(
            "patches:\n- patch: |-\n{}",
            within(&patch("other/web:7"))
        ))]),
        ("a whole container", base(WEB), vec![over(&format!(
            "patches:\n- target: {{kind: Deployment}}\n  patch: |-\n{}",
            within("- op: replace\n  path: /spec/template/spec/containers/0\n  value: {name: app, image: 'other/web:7'}\n")
        ))]),
        ("a container more, and the second after it", base(WEB), vec![over(&format!(
            "patches:\n- target: {{kind: Deployment}}\n  patch: |-\n{}",
            within(&format!(
                "- op: add\n  path: /spec/template/spec/containers/0\n  value: {{name: new, image: 'new:7'}}\n{}",
                operation(1, "reg/web:9")
            ))
        ))]),
        ("a container more by a merge, and the first after it", base(WEB), vec![over(&format!(
            "patches:\n- patch: |-\n{}- target: {{kind: Deployment}}\n  patch: |-\n{}",
            within(&smp.replace("name: app", "name: new").replace("reg/web:2", "new:7")),
            within(&operation(0, "new:8"))
        ))]),
        ("a container less", base(WEB), vec![over(&format!(
            "patches:\n- target: {{kind: Deployment}}\n  patch: |-\n{}",
            within(&format!("- op: remove\n  path: /spec/template/spec/containers/0\n{}", operation(0, "reg/side:2")))
        ))]),
        ("a container deleted by a merge", base(WEB), vec![over(&format!(
            "patches:\n- patch: |-\n{}",
            within(&smp.replace("image: reg/web:2", "$patch: delete"))
        ))]),
        ("an object deleted", base(&two), vec![over(
            "patches:\n- patch: |-\n    $patch: delete\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata: {name: web}\n",
        )]),
        ("a list of another kind", base("apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n      containers:\n      - {name: app, image: 'reg/web:1'}\n      - {name: side, image: 'reg/side:1'}\n"), vec![over(
            "patches:\n- patch: |-\n    apiVersion: argoproj.io/v1alpha1\n    kind: Rollout\n    metadata: {name: web}\n    spec:\n      template:\n        spec:\n          containers:\n          - {name: app, image: 'reg/web:2'}\n",
        )]),
        ("a file that nobody takes", base(WEB), vec![
            over(""),
            ("base/old.yaml".into(), WEB.replace("name: web", "name: old").replace(":1", ":0")),
        ]),
        ("a component", base(WEB), vec![
            over("components: [../newer]\nimages:\n- {name: reg/side, newTag: '9'}\n"),
            ("newer/kustomization.yaml".into(), "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nimages:\n- {name: reg/web, newTag: '5'}\n".into()),
        ]),
        ("a prefix, and the old and the new name", base(WEB), vec![
            ("mid/kustomization.yaml".into(), "resources: [../base]\nnamePrefix: eu-\nnamespace: shop\n".into()),
            ("prod/kustomization.yaml".into(), format!(
                "resources: [../mid]\npatches:\n- target: {{name: web}}\n  patch: |-\n{}- target: {{name: eu-web, namespace: shop}}\n  patch: |-\n{}",
                within(&op), within(&operation(1, "reg/side:2"))
            )),
        ]),
        ("a marked line under an entry", base(&WEB.replace("reg/web:1", "reg/web:1 # {\"$imagepolicy\": \"f:web\"}")), vec![over(
            "images:\n- {name: reg/web, newTag: '2'}\n",
        )]),
        ("two tags of one image", base(&twice.replacen("reg/web:1", "reg/web:2", 1)), vec![over("")]),
        ("an environment of its own", base(WEB), vec![
            over("images:\n- {name: reg/web, newTag: '2'}\n"),
            ("dev/kustomization.yaml".into(), "resources: [../base]\n".into()),
        ]),
        ("old lists", base(WEB), vec![
            over("patchesStrategicMerge: [smp.yaml]\npatchesJson6902:\n- path: op.yaml\n  target: {group: apps, version: v1, kind: Deployment, name: web}\n"),
            ("prod/smp.yaml".into(), smp.clone()),
            ("prod/op.yaml".into(), operation(1, "reg/side:4")),
        ]),
    ];
    let mut table = String::new();
    let mut wrong = 0;
    for (what, base, over) in cases {
        let mut files = base;
        if !files.iter().any(|(file, _)| file == "base/kustomization.yaml") {
            files.push(("base/kustomization.yaml".to_owned(), TAKES.to_owned()));
        }
        files.extend(over);
        let dev = files.iter().any(|(file, _)| file.starts_with("dev/"));
        let roots: &[&str] = if dev { &["prod", "dev"] } else { &["prod"] };
        let (home, work) = written(&files);
        let expected =
            built(&work, roots).unwrap_or_else(|| panic!("{what}: kustomize refuses it"));
        let told = told(home.path(), &work).await;
        let same = told == expected;
        wrong += usize::from(!same);
        let _ = writeln!(
            table,
            "{} {what}: {told:?}, kustomize {expected:?}",
            if same { "ok " } else { "NOT" }
        );
    }
    assert_eq!(wrong, 0, "{table}");
}

/// The same where Flux builds, with what it puts in.
#[tokio::test]
async fn what_is_told_is_what_flux_builds() {
    let flux = std::env::var("REVDECK_TEST_FLUX").unwrap_or_else(|_| "flux".to_owned());
    if Command::new(&flux).arg("version").arg("--client").output().is_err() {
        crate::skipped::skipped("flux", "it is not on the PATH, nor named by REVDECK_TEST_FLUX");
        return;
    }
    let open =
        WEB.replace("reg/web:1", "reg/web:v${TAG}").replace("reg/side:1", "reg/side:${S:=4}");
    let applies = |spec: &str| {
        let text = format!(
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: app, namespace: flux-system}}\nspec:\n  interval: 10m\n  path: ./app\n  prune: true\n  sourceRef: {{kind: GitRepository, name: config}}\n{spec}"
        );
        ("clusters/app.yaml".to_owned(), text)
    };
    let file = |file: &str, text: &str| (file.to_owned(), text.to_owned());
    let images =
        "  images:\n  - {name: reg/web, newTag: '9'}\n  - {name: reg/side, newName: new/side}\n";
    for (what, files) in [
        (
            "a plain directory",
            vec![
                file("app/web.yaml", WEB),
                file(
                    "app/more/kustomization.yaml",
                    "resources: [api.yaml]\nimages:\n- {name: reg/web, newTag: '3'}\n",
                ),
                file("app/more/api.yaml", &WEB.replace("name: web\n", "name: api\n")),
                file("app/more/old.yaml", &WEB.replace("reg/web:1", "reg/web:0")),
                file(
                    "app/far/away/db.yaml",
                    &WEB.replace("name: web\n", "name: db\n").replace(":1", ":7"),
                ),
                applies(""),
            ],
        ),
        ("a plain directory with entries", vec![file("app/web.yaml", WEB), applies(images)]),
        (
            "entries over those of the directory",
            vec![
                file("app/web.yaml", WEB),
                file(
                    "app/kustomization.yaml",
                    "resources: [web.yaml]\nimages:\n- {name: reg/web, newName: new/web, newTag: '3'}\n- {name: reg/side, digest: 'sha256:12'}\n",
                ),
                applies(images),
            ],
        ),
        (
            "patches and a namespace",
            vec![
                file("app/web.yaml", WEB),
                file("app/kustomization.yaml", "resources: [web.yaml]\nnamespace: a\n"),
                applies(&format!(
                    "  targetNamespace: shop\n  namePrefix: eu-\n  patches:\n  - target: {{kind: Deployment, name: w.b}}\n    patch: |\n{}",
                    indented(&operation(0, "reg/web:8"), 6)
                )),
            ],
        ),
        (
            "components",
            vec![
                file("app/web.yaml", WEB),
                file("app/kustomization.yaml", "resources: [web.yaml]\n"),
                file(
                    "newer/kustomization.yaml",
                    "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nimages:\n- {name: reg/web, newTag: '5'}\n",
                ),
                applies("  components: [../newer]\n"),
            ],
        ),
        (
            "what is filled in",
            vec![file("app/web.yaml", &open), applies("  postBuild: {substitute: {TAG: '1.4'}}\n")],
        ),
        (
            "what is filled in by an entry",
            vec![
                file("app/web.yaml", WEB),
                file(
                    "app/kustomization.yaml",
                    "resources: [web.yaml]\nimages:\n- {name: reg/web, newTag: '${TAG}'}\n",
                ),
                applies("  postBuild: {substitute: {TAG: '1.4'}}\n"),
            ],
        ),
    ] {
        let (home, work) = written(&files);
        let at = ["--path", "./app", "--kustomization-file", "clusters/app.yaml", "--dry-run"];
        let mut command = Command::new(&flux);
        command.current_dir(&work).args(["build", "kustomization", "app"]).args(at);
        let built = command.output().unwrap();
        assert!(built.status.success(), "{what}: {}", String::from_utf8_lossy(&built.stderr));
        assert_eq!(told(home.path(), &work).await, images_in(&built.stdout), "{what}");
    }
}

/// A place that named another image before says so; a chart without a digest has an empty one; and a digest that stays is
/// what is pulled, whatever tag stands beside it.
#[tokio::test]
async fn what_else_is_said_of_places() {
    let entry = |rest: &str| {
        ("web/kustomization.yaml".to_owned(), format!("images:\n- {{name: web, {rest}}}\n"))
    };
    let digest = "digest: 'sha256:0123'";
    let chart = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: api}\nspec:\n  values:\n    image: {repository: reg/api, tag: '1', digest: ''}\n";
    let (home, work) = written(&[
        entry("newName: old/web, newTag: '1'"),
        ("api.yaml".to_owned(), chart.to_owned()),
        (":(glob)z.yaml".to_owned(), WEB.replace("reg/", "z/")),
    ]);
    git(&work, &["init", "-q", "--initial-branch=main"]);
    let commit = |subject: &str, (file, text): (String, String)| {
        fs::write(work.join(file), text).unwrap();
        git(&work, &["add", "--all"]);
        git(&work, &["commit", "-q", "-m", subject]);
    };
    commit("Start", ("README.md".to_owned(), String::new()));
    commit("Move", entry(&format!("newName: new/web, newTag: '2', {digest}")));
    commit("Release", entry(&format!("newName: new/web, newTag: '3', {digest}")));
    commit("Chart", ("api.yaml".to_owned(), chart.replace("'1'", "'2'")));
    commit(
        "More",
        (":(glob)z.yaml".to_owned(), WEB.replace("reg/", "z/").replace("web:1", "web:2")),
    );
    git(home.path(), &["clone", "-q", "--bare", "config", "config.git"]);
    for (name, value) in [("user.name", "Noor"), ("user.email", "n@x")] {
        git(&home.path().join("config.git"), &["config", name, value]);
    }
    let platform = open(home.path());
    let app = async |id: &str| {
        let apps = platform.apps(&Scope::Everything).await.unwrap();
        apps.into_iter().find(|app| app.id.as_str().ends_with(id)).unwrap()
    };
    let web = app("|new/web").await;
    let history = platform.revisions(&web.id).await.unwrap();
    assert_eq!(history.revisions.len(), 2, "{history:?}");
    let remark = history.remark.unwrap();
    assert!(remark.contains("it was old/web: those revisions are of that image"), "{remark}");
    let back = async |id: &str, version: &str| {
        let app = app(id).await;
        let history = platform.revisions(&app.id).await.unwrap();
        let one = history.revisions.iter().find(|one| one.label == version).unwrap();
        let operation = Operation::RollBack(RollBackTo::Revision(one.id.clone()));
        platform.plan(Request::new(app.id, operation)).await.unwrap()
    };
    let plan = back("|new/web", "2").await;
    assert_eq!(plan.refused, None);
    let said = plan.notes.iter().any(|note| note.text().contains("the digest stays as it is"));
    assert!(said, "{:?}", plan.notes);
    let plan = back("|reg/api", "1").await;
    assert_eq!(plan.refused, None);
    assert!(
        plan.patch.unwrap().contains("+    image: {repository: reg/api, tag: '1', digest: ''}")
    );
    assert_eq!(back("|z/web", "1").await.refused, None);
}

/// Files with what is written there; none of it where they are removed.
type Written<'a> = &'a [(&'a str, Option<&'a str>)];

/// A repository in which one commit follows another: each is what it is called and the files that it writes, or removes.
fn history(commits: &[(&str, Written<'_>)]) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let work = home.path().join("config");
    fs::create_dir(&work).unwrap();
    git(&work, &["init", "-q", "--initial-branch=main"]);
    for (at, (subject, files)) in commits.iter().enumerate() {
        for (file, text) in *files {
            let file = work.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            match text {
                Some(text) => fs::write(file, text).unwrap(),
                None => fs::remove_file(file).unwrap(),
            }
        }
        git(&work, &["add", "--all"]);
        let date = format!("2026-10-{:02}T12:00:00Z", at + 1);
        let when = format!("--date={date}");
        git(&work, &["commit", "-q", &when, "-m", subject]);
    }
    git(home.path(), &["clone", "-q", "--bare", "config", "config.git"]);
    for (name, value) in [("user.name", "Noor"), ("user.email", "n@x")] {
        git(&home.path().join("config.git"), &["config", name, value]);
    }
    home
}

/// The way back leads to what an app ran: not to what another one ran that is gone since, and also to what it ran before an
/// overlay said a version of its own.
#[tokio::test]
async fn revisions_are_of_the_apps_own_places() {
    let over = |tag: &str| {
        format!("resources: [../../base]\nimages:\n- {{name: reg/web, newTag: '{tag}'}}\n")
    };
    let (one, two, rc, four) = (over("1"), over("2"), over("3-rc"), over("4"));
    let (prod, stage) = ("overlays/prod/kustomization.yaml", "overlays/stage/kustomization.yaml");
    let base = [("base/kustomization.yaml", Some(TAKES)), ("base/web.yaml", Some(WEB))];
    let start = [&base[..], &[(prod, Some(one.as_str())), (stage, Some(one.as_str()))]].concat();
    let gone = history(&[
        ("Start", &start),
        ("Production 2", &[(prod, Some(&two))]),
        ("Stage 3", &[(stage, Some(&rc))]),
        ("No stage any more", &[(stage, None)]),
        ("Production 4", &[(prod, Some(&four))]),
    ]);
    let plain = [&base[..], &[(prod, Some("resources: [../../base]\n"))]].concat();
    let newer = WEB.replace("web:1", "web:2");
    let pinned = history(&[
        ("Start", &plain),
        ("Base 2", &[("base/web.yaml", Some(&newer))]),
        ("Pin 4", &[(prod, Some(&four))]),
    ]);
    let moved = history(&[
        ("Start", &start),
        ("Two", &[(prod, Some(&two)), (stage, Some(&two))]),
        ("Elsewhere", &[(prod, None), ("overlays/live/kustomization.yaml", Some(&two))]),
        ("Four", &[("overlays/live/kustomization.yaml", Some(&four))]),
    ]);
    for (home, scope, versions) in [
        (&gone, "overlays/prod", &["4", "2", "1"][..]),
        (&pinned, "overlays/prod", &["4", "2", "1"]),
        (&moved, "overlays/live", &["4", "2", "1"]),
    ] {
        let platform = open(home.path());
        let apps = platform.apps(&Scope::Everything).await.unwrap();
        let id = format!("{scope}|reg/web");
        let app = apps.into_iter().find(|app| app.id.as_str() == id).unwrap();
        let history = platform.revisions(&app.id).await.unwrap();
        let told: Vec<_> = history.revisions.iter().map(|one| one.label.as_str()).collect();
        assert_eq!(told, versions, "{scope}");
        let request = Request::new(app.id, Operation::RollBack(RollBackTo::LastGood));
        let plan = platform.plan(request).await.unwrap();
        assert_eq!(plan.refused, None);
        assert_eq!(plan.to.unwrap().name, "rev 2");
        assert!(plan.patch.unwrap().contains("newTag: '2'"), "{scope}");
    }
}

/// Where only some directories are looked at, what is built there is seen, wherever its lines stand.
#[tokio::test]
async fn what_is_built_in_a_path_is_at_home_there() {
    let (home, work) = written(&[
        ("base/kustomization.yaml".to_owned(), TAKES.to_owned()),
        ("base/web.yaml".to_owned(), WEB.to_owned()),
        ("overlays/stage/kustomization.yaml".to_owned(), "resources: [../../base]\n".to_owned()),
        ("far/api.yaml".to_owned(), WEB.replace("reg/", "far/")),
    ]);
    told(home.path(), &work).await;
    let platform = open_with(home.path(), &[("REVDECK_GITOPS_PATHS", "overlays")]);
    let apps = platform.apps(&Scope::Home).await.unwrap();
    let ids: Vec<_> = apps.iter().map(|app| app.id.as_str()).collect();
    assert_eq!(ids, ["|reg/side", "|reg/web"]);
}

/// What only its marker makes an image is not held back by taking that away: it could not be put back.
#[tokio::test]
async fn a_line_that_its_marker_makes_an_image_keeps_it() {
    let line = |tag: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: runner}}\ndata:\n  runner: reg/runner:{tag} # {{\"$imagepolicy\": \"f:runner\"}}\n"
        )
    };
    let (one, two) = (line("1"), line("2"));
    let home = history(&[("Start", &[("a.yaml", Some(&one))]), ("Two", &[("a.yaml", Some(&two))])]);
    let platform = open(home.path());
    let app = platform.apps(&Scope::Everything).await.unwrap().remove(0);
    let back = |request: Request| platform.plan(request);
    let request = Request::new(app.id, Operation::RollBack(RollBackTo::LastGood));
    let refused = back(request.clone()).await.unwrap().refused.unwrap();
    assert!(refused.contains("known as an image by its marker alone"), "{refused}");
    assert_eq!(back(request.with("no-hold", "yes")).await.unwrap().refused, None);
}

/// Repositories made by chance, of everything that kustomizations do with images.
#[tokio::test]
async fn chance_finds_no_difference() {
    if !kubectl() {
        return;
    }
    let count: u64 = std::env::var("REVDECK_TEST_BUILDS").map_or(12, |text| text.parse().unwrap());
    let mut compared = 0;
    for seed in 0..count {
        let files = by_chance(&mut fastrand::Rng::with_seed(seed));
        let (home, work) = written(&files);
        let Some(expected) = built(&work, &["prod", "dev"]) else { continue };
        let told = told(home.path(), &work).await;
        let shown = |files: &[(String, String)]| {
            files.iter().fold(String::new(), |all, (file, text)| format!("{all}--- {file}\n{text}"))
        };
        assert_eq!(told, expected, "seed {seed}\n{}", shown(&files));
        compared += 1;
    }
    assert!(compared * 2 > count, "{compared} of {count} could be built");
}

fn by_chance(chance: &mut fastrand::Rng) -> Vec<(String, String)> {
    let image = |chance: &mut fastrand::Rng| {
        let name = ["reg/web", "reg/api", "reg/side", "new/web"][chance.usize(..4)];
        let version = ["", ":1", ":2", ":3", "@sha256:0123", ":4@sha256:4567"][chance.usize(..6)];
        format!("{name}{version}")
    };
    let names = ["web", "api"];
    let kinds = [
        ("apps/v1", "Deployment"),
        ("apps/v1", "StatefulSet"),
        ("batch/v1", "Job"),
        ("argoproj.io/v1alpha1", "Rollout"),
    ];
    let mut objects = Vec::new();
    let mut base = String::new();
    for name in names {
        let (group, kind) = kinds[chance.usize(..4)];
        objects.push((group, kind, name));
        let tier = ["front", "back"][chance.usize(..2)];
        let _ = write!(
            base,
            "---\napiVersion: {group}\nkind: {kind}\nmetadata:\n  name: {name}\n  labels: {{tier: {tier}}}\nspec:\n  template:\n    spec:\n      containers:\n"
        );
        for container in ["app", "side", "more"].iter().take(chance.usize(1..4)) {
            let _ = writeln!(base, "      - {{name: {container}, image: '{}'}}", image(chance));
        }
        if chance.bool() {
            let _ = writeln!(
                base,
                "      initContainers:\n      - {{name: start, image: '{}'}}",
                image(chance)
            );
        }
    }
    let layer = |chance: &mut fastrand::Rng, takes: &str| {
        let mut text = takes.to_owned();
        if chance.usize(..3) == 0 {
            text += "images:\n";
            for _ in 0..chance.usize(1..4) {
                let name = ["reg/web", "reg/api", "new/web", "reg/.*"][chance.usize(..4)];
                let rest = [
                    "newTag: '7'",
                    "newTag: '8'",
                    "newName: new/web",
                    "newName: reg/web, newTag: '9'",
                    "digest: 'sha256:89ab'",
                    "newTag: '6', digest: 'sha256:cdef'",
                ][chance.usize(..6)];
                let _ = writeln!(text, "- {{name: {name}, {rest}}}");
            }
        }
        let mut patches = String::new();
        for _ in 0..chance.usize(..3) {
            let (group, kind, name) = objects[chance.usize(..2)];
            let targets = [
                format!("{{kind: {kind}, name: {name}}}"),
                format!("{{kind: {kind}}}"),
                "{name: '(eu-)?web'}".to_owned(),
                "{labelSelector: 'tier in (front)'}".to_owned(),
                "{labelSelector: 'tier!=front,own=yes'}".to_owned(),
            ];
            let target = &targets[chance.usize(..5)];
            let container = ["app", "side", "late"][chance.usize(..3)];
            let what = [
                "$patch: delete".to_owned(),
                format!("image: '{}'", image(chance)),
                format!("image: '{}'", image(chance)),
            ];
            let what = &what[chance.usize(..3)];
            let number = chance.usize(..2);
            let operations = [
                format!(
                    "- op: replace\n      path: /spec/template/spec/containers/0/image\n      value: '{}'",
                    image(chance)
                ),
                format!(
                    "- op: replace\n      path: /spec/template/spec/containers/{number}\n      value: {{name: put, image: '{}'}}",
                    image(chance)
                ),
                format!(
                    "- op: add\n      path: /spec/template/spec/containers/{number}\n      value: {{name: put, image: '{}'}}",
                    image(chance)
                ),
                format!(
                    "- op: add\n      path: /spec/template/spec/containers/-\n      value: {{name: end, image: '{}'}}",
                    image(chance)
                ),
                "- op: remove\n      path: /spec/template/spec/containers/0".to_owned(),
                format!(
                    "- op: add\n      path: /spec/template/spec/initContainers\n      value: [{{name: begin, image: '{}'}}]",
                    image(chance)
                ),
            ];
            patches += &match chance.usize(..3) {
                0 => format!(
                    "- target: {target}\n  patch: |-\n    {}\n",
                    operations[chance.usize(..6)]
                ),
                1 => format!(
                    "- patch: |-\n    apiVersion: {group}\n    kind: {kind}\n    metadata: {{name: {name}}}\n    spec:\n      template:\n        spec:\n          containers:\n          - {{name: {container}, {what}}}\n"
                ),
                _ => format!(
                    "- target: {target}\n  patch: |-\n    apiVersion: {group}\n    kind: {kind}\n    metadata: {{name: any}}\n    spec:\n      template:\n        spec:\n          containers:\n          - {{name: {container}, {what}}}\n"
                ),
            };
        }
        if !patches.is_empty() {
            text += &format!("patches:\n{patches}");
        }
        if chance.usize(..4) == 0 {
            text += "namePrefix: eu-\n";
        }
        if chance.usize(..4) == 0 {
            text += "labels:\n- pairs: {own: 'yes'}\n";
        }
        if chance.usize(..4) == 0 {
            text += "namespace: shop\n";
        }
        text
    };
    let component = format!(
        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n{}",
        layer(chance, "")
    );
    let with = |chance: &mut fastrand::Rng, takes: &str| {
        let more = if chance.usize(..4) == 0 { "components: [../more]\n" } else { "" };
        layer(chance, &format!("{takes}{more}"))
    };
    vec![
        ("base/all.yaml".to_owned(), base),
        ("base/kustomization.yaml".to_owned(), with(chance, "resources: [all.yaml]\n")),
        ("more/kustomization.yaml".to_owned(), component),
        ("mid/kustomization.yaml".to_owned(), with(chance, "resources: [../base]\n")),
        ("prod/kustomization.yaml".to_owned(), with(chance, "resources: [../mid]\n")),
        ("dev/kustomization.yaml".to_owned(), with(chance, "resources: [../base]\n")),
    ]
}
