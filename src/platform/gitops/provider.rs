//! Finding and opening repositories: an address or a clone, a branch, and what belongs to it.

use std::{
    io::Write,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use secrecy::SecretString;

use super::{
    ForgeOptions, GitOps, KIND, Options, Push, client::address::bare_address, client::forge,
};
use crate::{
    domain::PlatformKind,
    platform::{
        Environment, Now, OpenError, Platform, Setting, TargetSpec, cluster, http, registry,
    },
};

/// Repositories that are applied to a cluster.
#[derive(Clone, Copy, Debug)]
pub struct Provider;

const REPOSITORY: &str = "REVDECK_GITOPS_REPOSITORY";
const BRANCH: &str = "REVDECK_GITOPS_BRANCH";
const PATHS: &str = "REVDECK_GITOPS_PATHS";
const PUSH: &str = "REVDECK_GITOPS_PUSH";
const FORGE: &str = "REVDECK_GITOPS_FORGE";
const FORGE_API: &str = "REVDECK_GITOPS_FORGE_API";
const TOKEN: &str = "REVDECK_GITOPS_TOKEN_VARIABLE";
const CLUSTER: &str = "REVDECK_GITOPS_CLUSTER";
const KUBECONFIG: &str = "REVDECK_GITOPS_KUBECONFIG";

/// The longest that git may take, in seconds.
const PATIENCE: &str = "REVDECK_GITOPS_PATIENCE";

/// How long the credential helpers of git may take.
const HELPERS: Duration = Duration::from_secs(5);

/// Repository and branch of a location. The last `#` is what is meant: addresses hold `@` and `:`.
fn parts(location: &str) -> (&str, Option<&str>) {
    match location.rsplit_once('#') {
        Some((repository, branch)) => (repository, Some(branch)),
        None => (location, None),
    }
}

/// Scheme, host and path of an address: `https://host/owner/name.git`, `ssh://git@host/…` and `git@host:owner/name.git`.
fn address(remote: &str) -> Option<(&str, &str, &str)> {
    let Some((scheme, rest)) = remote.split_once("://") else {
        let (host, path) = remote.split_once(':')?;
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        return Some(("https", host, path.trim_start_matches('/')));
    };
    let (host, path) = rest.split_once('/')?;
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    match scheme {
        "http" | "https" => Some((scheme, host, path)),
        // The port of ssh is not that of the API.
        _ => Some(("https", host.split(':').next()?, path)),
    }
}

/// A password that git knows for an address, from its helpers; nobody is asked.
fn credential(
    environment: &Environment,
    scheme: &str,
    host: &str,
    path: &str,
) -> Option<SecretString> {
    let mut command = Command::new("git");
    command
        .args(["-c", "credential.interactive=false", "credential", "fill"])
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ASKPASS", "true")
        .env("SSH_ASKPASS", "true")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    if let Some(home) = environment.home() {
        command.env("HOME", home);
    }
    command.env_remove("GPG_TTY").process_group(0);
    let mut child = command.spawn().ok()?;
    let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    let mut stdin = child.stdin.take()?;
    write!(stdin, "protocol={scheme}\nhost={host}\npath={path}\n\n").ok()?;
    drop(stdin);
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _ = sender.send(child.wait_with_output());
    });
    let Ok(output) = receiver.recv_timeout(HELPERS) else {
        if let Some(group) = group {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        return None;
    };
    let output = output.ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let password = text.lines().find_map(|line| line.strip_prefix("password="))?;
    (!password.is_empty()).then(|| SecretString::from(password.to_owned()))
}

/// The forge of a repository, or why there is none to be asked.
fn forge_of(environment: &Environment, remote: &str) -> Result<ForgeOptions, String> {
    let unknown = || "no forge is known for this repository".to_owned();
    let (scheme, host, path) = address(remote).ok_or_else(unknown)?;
    let kind = match environment.variable(FORGE) {
        Some("none") => return Err(unknown()),
        Some(name) => forge::ForgeKind::named(name)
            .ok_or_else(|| format!("forge = {name:?} is none of {FORGES}"))?,
        None => forge::ForgeKind::of_host(host).ok_or_else(unknown)?,
    };
    let api = environment.variable(FORGE_API).map_or_else(|| kind.api(scheme, host), str::to_owned);
    let variable =
        |name: &str| environment.variable(name).map(|value| SecretString::from(value.to_owned()));
    // In clear, a token goes nowhere but to this machine.
    let here = ["127.0.0.1", "localhost", "[::1]"];
    let plain = api.strip_prefix("http://").and_then(|rest| rest.split(['/', ':']).next());
    if plain.is_some_and(|host| !here.contains(&host)) {
        return Err(format!("a token is not sent in clear, and {api} is not https"));
    }
    let token = match environment.variable(TOKEN) {
        Some(name) => variable(name),
        None => kind.variables().iter().find_map(|name| variable(name)),
    };
    let token = token.or_else(|| credential(environment, scheme, host, path)).ok_or_else(|| {
        let named = environment.variable(TOKEN).unwrap_or(kind.variables()[0]);
        format!("there is no token for the forge: set {named}")
    })?;
    let project = path.trim_end_matches('/').trim_end_matches(".git").to_owned();
    let kind = match kind {
        forge::ForgeKind::GitHub => "github",
        forge::ForgeKind::GitLab => "gitlab",
        forge::ForgeKind::Gitea => "gitea",
    };
    Ok(ForgeOptions {
        kind: kind.to_owned(),
        api: api.trim_end_matches('/').to_owned(),
        project,
        token,
    })
}

fn push_of(text: &str) -> Result<Push, String> {
    match text {
        "direct" => Ok(Push::Direct),
        "pull-request" => Ok(Push::PullRequest),
        other => Err(format!("push = {other:?} is neither \"direct\" nor \"pull-request\"")),
    }
}

/// The cluster that a setting names: `kubernetes`, `kubernetes:CONTEXT/NAMESPACE` or `CONTEXT/NAMESPACE`.
fn cluster_of(text: &str) -> Option<TargetSpec> {
    let location = match text {
        "" | "none" => return None,
        "kubernetes" | "k8s" => None,
        other => Some(
            other
                .strip_prefix("kubernetes:")
                .or_else(|| other.strip_prefix("k8s:"))
                .unwrap_or(other),
        ),
    };
    Some(TargetSpec::new("kubernetes", location))
}

const fn setting(
    name: &'static str,
    variable: &'static str,
    value: &'static str,
    help: &'static str,
) -> Setting {
    Setting { name, variable, flag: None, value, help }
}

const FORGES: &str = "github, gitlab, gitea, forgejo or none";
const SETTINGS: &[Setting] = &[
    setting("repository", REPOSITORY, "URL|PATH", "The repository, or a clone of it"),
    setting("branch", BRANCH, "BRANCH", "The branch that is applied"),
    setting("paths", PATHS, "PATHS", "The directories to look at, with commas"),
    setting("push", PUSH, "direct|pull-request", "Where commits go"),
    setting("forge", FORGE, "FORGE", FORGES),
    setting("forge-api", FORGE_API, "URL", "The address of the forge's API"),
    setting("token-variable", TOKEN, "NAME", "The variable that holds the forge's token"),
    setting(
        "cluster",
        CLUSTER,
        "kubernetes[:CONTEXT[/NAMESPACE]]",
        "The cluster that it is applied to",
    ),
    setting("patience", PATIENCE, "SECONDS", "The longest that git, or an answer, may take"),
    setting("kubeconfig", KUBECONFIG, "FILE", "The kubeconfig of that cluster"),
];

impl registry::Provider for Provider {
    fn kind(&self) -> PlatformKind {
        KIND
    }

    fn usage(&self) -> &'static str {
        "gitops:REPOSITORY[#BRANCH]"
    }

    fn login_hint(&self) -> &'static str {
        "name a repository with --target gitops:REPOSITORY"
    }

    fn settings(&self) -> &'static [Setting] {
        SETTINGS
    }

    fn discover(&self, environment: &Environment) -> Vec<TargetSpec> {
        let here = environment.variable(REPOSITORY).is_some();
        here.then(|| TargetSpec::new(KIND.name, None)).into_iter().collect()
    }

    fn check_location(&self, location: &str) -> Result<(), String> {
        let shown = || registry::Provider::shown(self, location);
        match parts(location) {
            ("", _) => Err(format!("{:?} names no repository", shown())),
            (_, Some("")) => Err(format!("{:?} names no branch after the #", shown())),
            (_, Some(branch)) if branch.starts_with('-') => Err(format!("{branch:?} is no branch")),
            (repository, _) if repository.starts_with('-') => {
                Err(format!("{:?} is no repository", shown()))
            }
            _ => Ok(()),
        }
    }

    fn check_setting(&self, name: &str, value: &str) -> Result<(), String> {
        let wrong = |is: &str| Err(format!("{name} = {value:?} is {is}"));
        match name {
            // What is empty is not said.
            _ if value.is_empty() => Ok(()),
            "push" => push_of(value).map(|_| ()),
            "forge" if value != "none" && forge::ForgeKind::named(value).is_none() => {
                wrong(&format!("none of {FORGES}"))
            }
            "forge-api" if !value.starts_with("https://") && !value.starts_with("http://") => {
                wrong("no address that begins with https://")
            }
            "patience" if !value.parse::<u64>().is_ok_and(|seconds| seconds > 0) => {
                wrong("no number of seconds, from 1 on")
            }
            _ => Ok(()),
        }
    }

    fn shown(&self, text: &str) -> String {
        if !text.contains("://") && !text.contains('@') {
            return text.to_owned();
        }
        let (repository, branch) = parts(text);
        // A password may hold a `#`.
        let branch = branch.filter(|branch| !branch.contains('@'));
        let repository = if branch.is_some() { repository } else { text };
        let branch = branch.map(|branch| format!("#{branch}")).unwrap_or_default();
        format!("{}{branch}", bare_address(repository))
    }

    fn beside(&self, spec: &TargetSpec, environment: &Environment) -> Option<TargetSpec> {
        let mut beside = cluster_of(environment.variable(CLUSTER)?)?;
        beside.id = spec.id.clone();
        if let Some(file) = environment.variable(KUBECONFIG) {
            beside.variables.insert("KUBECONFIG".to_owned(), file.to_owned());
        }
        Some(beside)
    }

    fn open(
        &self,
        spec: &TargetSpec,
        environment: &Environment,
        now: &Now,
    ) -> Result<Arc<dyn Platform>, OpenError> {
        self.open_beside(spec, environment, now, None)
    }

    fn open_beside(
        &self,
        spec: &TargetSpec,
        environment: &Environment,
        now: &Now,
        beside: Option<Arc<dyn Platform>>,
    ) -> Result<Arc<dyn Platform>, OpenError> {
        let (located, branch) = spec.location.as_deref().map(parts).unzip();
        let Some(repository) = located.or_else(|| environment.variable(REPOSITORY)) else {
            return Err(OpenError::login(
                "no repository is named: say --target gitops:REPOSITORY, or `repository` in the configuration",
            ));
        };
        let repository = &at_home(repository, environment);
        let branch = branch.flatten().or_else(|| environment.variable(BRANCH)).map(str::to_owned);
        let push = environment.variable(PUSH).map_or(Ok(Push::Direct), push_of);
        let push = push.map_err(OpenError::login)?;
        let cache = environment
            .variable("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| environment.home().map(|home| home.join(".cache")))
            .unwrap_or_else(std::env::temp_dir);
        let paths = environment.variable(PATHS).unwrap_or_default().split(',');
        let paths =
            paths.map(|path| path.trim().trim_start_matches("./").trim_matches('/').to_owned());
        let variables = [
            "HOME",
            "XDG_CONFIG_HOME",
            "GIT_CONFIG_GLOBAL",
            "GIT_CONFIG_SYSTEM",
            "GIT_SSH",
            "GIT_SSH_COMMAND",
            "SSH_AUTH_SOCK",
            "GIT_SSL_CAINFO",
        ];
        let variables = variables.iter().filter_map(|name| {
            environment.variable(name).map(|value| ((*name).to_owned(), value.to_owned()))
        });
        let connection = match (&beside, self.beside(spec, environment)) {
            (Some(_), Some(named)) => {
                let environment = environment.clone().over(&named.variables);
                Some(cluster::Options::read(named.location.as_deref(), &environment)?)
            }
            _ => None,
        };
        let options = Options {
            repository: repository.clone(),
            branch,
            paths: paths.filter(|path| !path.is_empty()).collect(),
            push,
            cache: cache.join("revdeck/git"),
            variables: variables.collect(),
            timeout: environment
                .variable(PATIENCE)
                .and_then(|seconds| seconds.parse().ok())
                .map_or(http::TIMEOUT * 2, Duration::from_secs),
            forge: forge_of(environment, &bare_address(&remote_of(repository))),
            cluster: beside,
            connection,
        };
        Ok(Arc::new(GitOps::open(spec.id.clone(), options, now.clone())?))
    }
}

/// A path below the operator's home, which no shell has spelled out behind a colon.
fn at_home(repository: &str, environment: &Environment) -> String {
    let below = repository.strip_prefix("~/").zip(environment.home());
    below.map_or_else(
        || repository.to_owned(),
        |(below, home)| home.join(below).display().to_string(),
    )
}

/// Where a clone comes from; an address is that itself.
fn remote_of(repository: &str) -> String {
    if repository.contains("://") || !std::path::Path::new(repository).is_dir() {
        return repository.to_owned();
    }
    let asked = Command::new("git")
        .args(["-C", repository, "config", "--get", "remote.origin.url"])
        .output();
    let url = asked.ok().filter(|asked| asked.status.success());
    let url = url.map(|asked| String::from_utf8_lossy(&asked.stdout).trim().to_owned());
    url.filter(|url| !url.is_empty()).unwrap_or_else(|| repository.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_and_addresses_are_taken_apart() {
        assert_eq!(
            parts("git@github.com:acme/shop.git#main"),
            ("git@github.com:acme/shop.git", Some("main"))
        );
        assert_eq!(parts("/srv/shop"), ("/srv/shop", None));
        assert_eq!(
            address("git@github.com:acme/shop.git"),
            Some(("https", "github.com", "acme/shop.git"))
        );
        assert_eq!(
            address("ssh://git@git.example.org:2222/a/b"),
            Some(("https", "git.example.org", "a/b"))
        );
        assert_eq!(
            address("http://127.0.0.1:80/a/b.git"),
            Some(("http", "127.0.0.1:80", "a/b.git"))
        );
        assert_eq!(address("/srv/a"), None);
        for wrong in ["", "#main", "a#", "--upload-pack=x", "a#-b"] {
            assert!(registry::Provider::check_location(&Provider, wrong).is_err(), "{wrong}");
        }
        let location = |text: &str| cluster_of(text).map(|spec| spec.location.unwrap_or_default());
        assert_eq!(location("kubernetes:prod/shop").as_deref(), Some("prod/shop"));
        assert_eq!((location("kubernetes").as_deref(), location("none")), (Some(""), None));
    }

    #[test]
    fn a_target_is_called_without_the_password_of_its_address() {
        for (location, id) in [
            (
                "https://me:s3cret@git.example.org/a.git#prod",
                "gitops:https://git.example.org/a.git#prod",
            ),
            ("https://git.example.org/a?private_token=s3cret", "gitops:https://git.example.org/a"),
            ("ssh://git@git.example.org/a#x", "gitops:ssh://git@git.example.org/a#x"),
            ("git@git.example.org:a/b.git", "gitops:git@git.example.org:a/b.git"),
            ("~/a/b#main", "gitops:~/a/b#main"),
        ] {
            let spec = registry::Provider::spec(&Provider, Some(location));
            assert_eq!((spec.id.as_str(), spec.location.as_deref()), (id, Some(location)));
        }
    }
}
