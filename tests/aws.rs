//! The simulated region of Amazon ECS under clients that nobody here wrote, the `aws` CLI and boto3, and beside a server
//! that nobody here wrote: moto. Both sign as they do for AWS.

#![cfg(feature = "ecs")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may"
)]

#[path = "support/skipped.rs"]
mod skipped;

use std::{
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::{Arc, OnceLock},
    time::Duration,
};

use revdeck::{
    domain::{Condition, Operation, Request, Scope, TargetId},
    platform::{
        Environment, Platform,
        ecs::{Ecs, Options as EcsOptions},
    },
    simulator::{Options, Simulator, ecs::Region},
};
use serde_json::Value;

async fn region() -> Simulator<Region> {
    // The waiter of the CLI asks every fifteen seconds.
    Simulator::ecs(&Options { speed: 20.0, ..Options::default() }).await.unwrap()
}

async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn told(ran: &Output) -> String {
    assert!(
        ran.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr)
    );
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

/// An environment with nothing in it but the login and the way to programs.
fn login(command: &mut Command, simulator: &Simulator<Region>) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).env("AWS_PAGER", "").env("HOME", simulator.home());
    command.envs(simulator.environment());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_aws_cli_works_against_the_simulator() {
    if !Command::new("aws").arg("--version").output().is_ok_and(|ran| ran.status.success()) {
        skipped::skipped("aws", "the aws CLI is not at hand");
        return;
    }
    let simulator = region().await;
    let aws = async |words: &str| {
        let mut command = Command::new("aws");
        login(&mut command, &simulator);
        command.args(words.split(' ')).args(["--output", "json"]);
        run(command).await
    };
    let json = async |words: &str| -> Value {
        serde_json::from_str(&told(&aws(words).await)).unwrap_or_default()
    };
    let services = json("ecs list-services --cluster retail").await;
    assert_eq!(services["serviceArns"].as_array().unwrap().len(), 6);
    let one = "ecs describe-services --cluster retail --services orders-api";
    let stuck = json(one).await;
    assert_eq!(stuck["services"][0]["deployments"].as_array().unwrap().len(), 2);
    let deployment = stuck["services"][0]["currentServiceDeployment"].as_str().unwrap().to_owned();
    let described =
        json(&format!("ecs describe-service-deployments --service-deployment-arns {deployment}"))
            .await;
    assert_eq!(described["serviceDeployments"][0]["status"], "IN_PROGRESS");
    json(&format!(
        "ecs stop-service-deployment --service-deployment-arn {deployment} --stop-type ROLLBACK"
    ))
    .await;
    json("ecs wait services-stable --cluster retail --services orders-api").await;
    let after = json(one).await;
    assert_eq!(
        after["services"][0]["taskDefinition"],
        "arn:aws:ecs:eu-west-1:111122223333:task-definition/orders-api:2"
    );
    let again = aws(&format!(
        "ecs stop-service-deployment --service-deployment-arn {deployment} --stop-type ROLLBACK"
    ))
    .await;
    assert!(String::from_utf8_lossy(&again.stderr).contains("ConflictException"), "{again:?}");
    let who = json("sts get-caller-identity").await;
    assert_eq!(who["Account"], "111122223333");
    // A secret that is not the right one signs nothing.
    let mut command = Command::new("aws");
    login(&mut command, &simulator);
    command
        .env("AWS_ACCESS_KEY_ID", "AKIAREVDECKSIMULATED")
        .env("AWS_SECRET_ACCESS_KEY", "wrong")
        .env_remove("AWS_PROFILE");
    command.args(["ecs", "list-clusters"]);
    let refused = run(command).await;
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("InvalidSignatureException"),
        "{refused:?}"
    );
}

/// Asks both servers the same and prints what they answer, without what is a server's own (identifiers, times, accounts).
const SCRIPT: &str = r#"
import json, re, sys
import boto3
from botocore.exceptions import ClientError

endpoint = sys.argv[1]
session = boto3.Session(region_name="eu-west-1", aws_access_key_id="AKIAREVDECKSIMULATED",
                        aws_secret_access_key="simulated/secret/that/opens/nothing")
ecs = session.client("ecs", endpoint_url=endpoint)
scaling = session.client("application-autoscaling", endpoint_url=endpoint)
told = []

def plain(value):
    return re.sub(r"arn:aws:ecs:eu-west-1:\d+:", "arn:", value) if isinstance(value, str) else value

def tell(name, value):
    told.append([name, value])

def fails(name, call):
    try:
        call()
        tell(name, "it was taken")
    except ClientError as error:
        tell(name, [error.response["Error"]["Code"], error.response["Error"]["Message"], error.response["ResponseMetadata"]["HTTPStatusCode"]])

ecs.create_cluster(clusterName="referee")
for tag in ["1", "2", "3"]:
    made = ecs.register_task_definition(family="web", containerDefinitions=[
        {"name": "web", "image": "web:" + tag, "cpu": 10, "memory": 128, "essential": True}], tags=[{"key": "git", "value": tag}])
    tell("registered", [made["taskDefinition"]["family"], made["taskDefinition"]["revision"], made["taskDefinition"]["status"],
                        plain(made["taskDefinition"]["taskDefinitionArn"])])
described = ecs.describe_task_definition(taskDefinition="web:2", include=["TAGS"])
tell("described", [described["taskDefinition"]["containerDefinitions"][0]["image"], described["tags"]])
tell("newest", ecs.describe_task_definition(taskDefinition="web")["taskDefinition"]["revision"])
ecs.deregister_task_definition(taskDefinition="web:3")
tell("active", [plain(arn) for arn in ecs.list_task_definitions(familyPrefix="web")["taskDefinitionArns"]])
tell("inactive", [plain(arn) for arn in ecs.list_task_definitions(familyPrefix="web", status="INACTIVE")["taskDefinitionArns"]])
tell("still described", ecs.describe_task_definition(taskDefinition="web:3")["taskDefinition"]["status"])
made = ecs.create_service(cluster="referee", serviceName="web", taskDefinition="web:1", desiredCount=2)["service"]
tell("created", [made["status"], made["desiredCount"], made["deployments"][0]["status"], plain(made["serviceArn"]), plain(made["clusterArn"])])
tell("services", [plain(arn) for arn in ecs.list_services(cluster="referee")["serviceArns"]])
missing = ecs.describe_services(cluster="referee", services=["nope"])
tell("missing", [missing["services"], [one["reason"] for one in missing["failures"]]])
fails("no cluster", lambda: ecs.describe_services(cluster="nowhere", services=["web"]))
fails("no service", lambda: ecs.update_service(cluster="referee", service="nope", desiredCount=1))
fails("no definition", lambda: ecs.describe_task_definition(taskDefinition="web:99"))
resource = dict(ServiceNamespace="ecs", ResourceId="service/referee/web", ScalableDimension="ecs:service:DesiredCount")
scaling.register_scalable_target(MinCapacity=2, MaxCapacity=8, **resource)
state = dict(DynamicScalingInSuspended=True, DynamicScalingOutSuspended=True, ScheduledScalingSuspended=True)
scaling.register_scalable_target(SuspendedState=state, **resource)
target = scaling.describe_scalable_targets(ServiceNamespace="ecs", ResourceIds=[resource["ResourceId"]])["ScalableTargets"][0]
tell("scaling", [target["MinCapacity"], target["MaxCapacity"], target["SuspendedState"]])
print(json.dumps(told))
"#;

/// A server that nobody here wrote, and the Python that runs it.
struct Moto {
    server: Child,
    endpoint: String,
    python: PathBuf,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

const MOTO: &str = "moto==5.2.5";

/// The Python of a virtual environment with moto and boto3 in it, which is made where there is none yet.
fn python() -> Result<PathBuf, String> {
    let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("moto-5.2.5");
    let python = home.join("bin/python");
    let has = |python: &PathBuf| {
        let ran = Command::new(python)
            .args(["-c", "import moto.server, boto3, flask, flask_cors"])
            .output();
        ran.is_ok_and(|ran| ran.status.success())
    };
    if has(&python) {
        return Ok(python);
    }
    let made = Command::new("python3").args(["-m", "venv"]).arg(&home).output();
    if !made.is_ok_and(|ran| ran.status.success()) {
        return Err("python3 with venv is not at hand".to_owned());
    }
    let pip = Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--timeout", "20", "--retries", "3"])
        .args([MOTO, "boto3", "flask", "flask-cors"])
        .output();
    match pip {
        Ok(ran) if ran.status.success() && has(&python) => Ok(python),
        Ok(ran) => Err(format!(
            "pip cannot install {MOTO}: {}",
            String::from_utf8_lossy(&ran.stderr).trim()
        )),
        Err(error) => Err(format!("pip cannot install {MOTO}: {error}")),
    }
}

fn moto() -> Option<Moto> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let python = match PYTHON.get_or_init(python) {
        Ok(python) => python.clone(),
        Err(why) => {
            skipped::skipped("moto", why);
            return None;
        }
    };
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = Command::new(&python)
        .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let moto = Moto { server, endpoint: format!("http://127.0.0.1:{port}"), python };
    for _ in 0..600 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some(moto);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("moto never listens");
}

/// The simulator and moto answer the same, where moto has an answer of its own (it moves no rollout).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moto_and_the_simulator_answer_the_same() {
    let Some(moto) = tokio::task::spawn_blocking(moto).await.unwrap() else { return };
    let simulator = region().await;
    let banner: Value = serde_json::from_str(simulator.banner()).unwrap();
    let ask = async |endpoint: &str| -> Vec<Value> {
        let mut command = Command::new(&moto.python);
        command.args(["-c", SCRIPT, endpoint]);
        serde_json::from_str(&told(&run(command).await)).unwrap()
    };
    let theirs = ask(&moto.endpoint).await;
    let ours = ask(banner["endpoint"].as_str().unwrap()).await;
    assert!(theirs.len() >= 15, "{theirs:?}");
    for (theirs, ours) in theirs.iter().zip(&ours) {
        assert_eq!(theirs, ours, "moto first, then the simulator");
    }
    assert_eq!(theirs.len(), ours.len());
}

/// moto has no service deployments, and answers with a page and status 500: the counts are those of `deployments[]` then,
/// and those calls are left alone for a while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_service_deployments_the_counts_are_those_of_the_service() {
    let Some(moto) = tokio::task::spawn_blocking(moto).await.unwrap() else { return };
    let mut command = Command::new(&moto.python);
    command.args(["-c", SCRIPT, &moto.endpoint]);
    told(&run(command).await);
    let variables = [
        ("AWS_ENDPOINT_URL", moto.endpoint.as_str()),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "AKIAREVDECKSIMULATED"),
        ("AWS_SECRET_ACCESS_KEY", "simulated/secret/that/opens/nothing"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let environment = Environment::default().with(variables);
    let platform = Ecs::open(
        TargetId::new("ecs"),
        &EcsOptions::default(),
        &environment,
        revdeck::runtime::clock::system(),
    );
    let platform = Arc::new(platform.unwrap());
    let apps = platform.apps(&Scope::Home).await.unwrap();
    let app = apps.iter().find(|app| app.name == "web").unwrap();
    // Its one deployment is IN_PROGRESS for ever.
    assert_eq!(app.condition(), Condition::Rolling, "{app:?}");
    assert_eq!(app.rollout.as_ref().unwrap().reason, "IN_PROGRESS");
    let history = platform.revisions(&app.id).await.unwrap();
    let labels: Vec<_> = history.revisions.iter().map(|one| one.label.as_str()).collect();
    assert_eq!(labels, ["3", "2", "1"]);
    assert!(
        history.remark.as_ref().is_some_and(|remark| remark.contains("not known")),
        "{history:?}"
    );
    let plan = platform.plan(Request::new(app.id.clone(), Operation::Cancel)).await.unwrap();
    assert!(plan.refused.is_some_and(|why| why.contains("no service deployments")));
    let plan = platform.plan(Request::new(app.id.clone(), Operation::Restart)).await.unwrap();
    assert_eq!(plan.refused, None);
}

/// What the documentation of `ecspresso rollback` shows has a command here that does it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ecspresso_shows_has_a_command_here() {
    let simulator = region().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ecspresso.yml");
    std::fs::write(
        &file,
        "region: eu-west-1\ncluster: retail\nservice: search\nservice_definition: x.json\n",
    )
    .unwrap();
    let target = format!("ecs:{}", file.display());
    let revdeck = async |words: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_revdeck"));
        login(&mut command, &simulator);
        command.env("XDG_STATE_HOME", directory.path()).env("XDG_CONFIG_HOME", directory.path());
        command.args(["--target", &target]).args(words.split(' ')).stdin(Stdio::null());
        run(command).await
    };
    let says = async |words: &str, what: &str| {
        let ran = revdeck(words).await;
        let out = told(&ran) + &String::from_utf8_lossy(&ran.stderr);
        assert!(out.contains(what), "{words}: {out}");
        out
    };
    says("apps", "search").await;
    assert!(!told(&revdeck("apps").await).contains("orders-api"), "the file names one service");
    // ecspresso rollback --config ecspresso.yml --revision 2 --dry-run
    says("rollback search --revision 2 --dry-run", "UpdateService taskDefinition=search:2").await;
    says("rollback search --to search:2 --dry-run", "UpdateService taskDefinition=search:2").await;
    // ecspresso rollback --config ecspresso.yml --revision 2
    says("rollback search --revision 2 --yes", "DONE  search is back on rev 2: 3 of 3 running")
        .await;
    // … --no-wait
    says("rollback search --revision 1 --no-wait --yes", "accepted").await;
    says("resume", "search is back on rev 1").await;
    // … --suspend-auto-scaling --resume-auto-scaling
    says(
        "rollback search --revision 2 --suspend-auto-scaling --resume-auto-scaling --yes",
        "afterwards: release auto scaling",
    )
    .await;
    // ecspresso deploy --rollback-events DEPLOYMENT_FAILURE: the circuit breaker does it, and it is told as a failure.
    let failed = revdeck("deploy search --task-definition search:3 --yes").await;
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    assert!(String::from_utf8_lossy(&failed.stderr).contains("rev 2 is back"), "{failed:?}");
    // In a pipeline, instead of counting revisions: the last one that served.
    says("rollback search --yes", "search is back on rev 1").await;
    // … --deregister
    says("rollback search --revision 2 --deregister --yes", "afterwards: deregister search:1")
        .await;
    says("revisions search", "deregistered").await;
    let refused = revdeck("rollback search --revision 1 --yes").await;
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("was deregistered"), "{refused:?}");
    // Templates are ecspresso's own.
    std::fs::write(&file, "region: {{ must_env `AWS_REGION` }}\ncluster: retail\n").unwrap();
    let refused = revdeck("apps").await;
    let err = String::from_utf8_lossy(&refused.stderr);
    assert!(err.contains("line 1 has a template"), "{err}");
}
