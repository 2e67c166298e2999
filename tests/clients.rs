//! The simulator under a client that nobody here wrote: the Python package `cloudfoundry-client`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may"
)]

#[path = "support/skipped.rs"]
mod skipped;

use std::process::Command;

use revdeck::simulator::{Options, Simulator};

const SCRIPT: &str = r#"
import sys
from cloudfoundry_client.client import CloudFoundryClient

api, user, password = sys.argv[1:]
client = CloudFoundryClient(api)
client.init_with_user_credentials(user, password)
org = next(o for o in client.v3.organizations.list() if o["name"] == "acme")
space = next(s for s in client.v3.spaces.list(organization_guids=org["guid"]) if s["name"] == "prod")
apps = {app["name"]: app for app in client.v3.apps.list(space_guids=space["guid"], order_by="name")}
assert "catalog" in apps and len(apps) > 5, sorted(apps)
app = apps["catalog"]
revisions = list(client.v3.apps.get_revisions(app["guid"])) if hasattr(client.v3.apps, "get_revisions") else \
    client.get(f"{api}/v3/apps/{app['guid']}/revisions?order_by=-created_at").json()["resources"]
assert len(revisions) == 9, len(revisions)
deployed = client.get(f"{api}/v3/apps/{app['guid']}/revisions/deployed").json()["resources"]
assert [r["version"] for r in deployed] == [9]
older = next(r for r in revisions if r["version"] == 8)
body = {"relationships": {"app": {"data": {"guid": app["guid"]}}}, "revision": {"guid": older["guid"]}}
made = client.post(f"{api}/v3/deployments", json=body)
assert made.status_code == 201, made.text
made = made.json()
active = client.get(f"{api}/v3/deployments?app_guids={app['guid']}&status_values=ACTIVE").json()
assert [d["guid"] for d in active["resources"]] == [made["guid"]]
cancelled = client.post(f"{api}/v3/deployments/{made['guid']}/actions/cancel")
assert cancelled.status_code == 200 and not cancelled.content
processes = list(client.v3.processes.list(app_guids=app["guid"])) if hasattr(client.v3, "processes") else []
print("ok", len(processes))
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_client_works_against_the_simulator() {
    let has = Command::new("python3").args(["-c", "import cloudfoundry_client"]).output();
    if !has.is_ok_and(|ran| ran.status.success()) {
        skipped::skipped(
            "cloudfoundry-client",
            "python3 with the package cloudfoundry-client is not at hand",
        );
        return;
    }
    let simulator = Simulator::cloud_foundry(&Options::default()).await.unwrap();
    let banner: serde_json::Value = serde_json::from_str(simulator.banner()).unwrap();
    let text = |name: &str| banner[name].as_str().unwrap().to_owned();
    let (api, user, password) = (text("api"), text("user"), text("password"));
    let ran = tokio::task::spawn_blocking(move || {
        Command::new("python3").args(["-c", SCRIPT, &api, &user, &password]).output().unwrap()
    });
    let ran = ran.await.unwrap();
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{out}\n{err}");
}
