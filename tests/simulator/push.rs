//! The requests of `cf push`, in its order.

use std::time::Duration;

use revdeck::simulator::Options;
use serde_json::{Value, json};

use crate::client::Client;

const MANIFEST: &str = "applications:\n- name: NAME\n  instances: 2\n  env: { GREETING: hello }\n  processes: [{ type: web, memory: 64M }]\n";

/// From manifest to droplet.
async fn push(client: &Client, name: &str) -> (String, String) {
    let space = client.get("/v3/spaces?names=prod").await["resources"][0]["guid"].clone();
    let space = space.as_str().unwrap();
    let manifest = MANIFEST.replace("NAME", name);
    let yaml = |path: &str| {
        let request = client.http.post(format!("{}/v3/spaces/{space}/{path}", client.api));
        request.header("authorization", &client.token).header("content-type", "application/x-yaml")
    };
    let difference = yaml("manifest_diff").body(manifest.clone()).send().await.unwrap();
    assert_eq!(difference.status(), 201);
    let applied = yaml("actions/apply_manifest").body(manifest).send().await.unwrap();
    assert_eq!(applied.status(), 202);
    let job = applied.headers()["location"].to_str().unwrap().to_owned();
    let job = client.get(job.trim_start_matches(&client.api)).await;
    assert_eq!(job["state"], "COMPLETE");

    let app = client.app(name).await;
    let env = client.get(&format!("/v3/apps/{app}/environment_variables")).await;
    assert_eq!(env["var"]["GREETING"], "hello");
    let resources = json!({ "resources": [{ "path": "a", "size_in_bytes": 1, "checksum": { "value": "00" }, "mode": "644" }] });
    let (status, matched) = client.send("POST", "/v3/resource_matches", Some(&resources)).await;
    assert!(status < 300 && matched["resources"].is_array(), "{status} {matched}");

    let of_app = json!({ "app": { "data": { "guid": app } } });
    let package = json!({ "type": "bits", "relationships": of_app });
    let (status, package) = client.send("POST", "/v3/packages", Some(&package)).await;
    assert_eq!((status, package["state"].as_str()), (201, Some("AWAITING_UPLOAD")));
    let package = package["guid"].as_str().unwrap().to_owned();
    let bits = reqwest::multipart::Part::bytes(b"PK\x03\x04bits".to_vec()).file_name("app.zip");
    let form = reqwest::multipart::Form::new().text("resources", "[]").part("bits", bits);
    let upload = client.http.post(format!("{}/v3/packages/{package}/upload", client.api));
    let upload =
        upload.header("authorization", &client.token).multipart(form).send().await.unwrap();
    assert_eq!(upload.status(), 200);
    becomes(client, &format!("/v3/packages/{package}"), "READY").await;
    let build = json!({ "package": { "guid": package } });
    let (status, build) = client.send("POST", "/v3/builds", Some(&build)).await;
    assert_eq!((status, build["state"].as_str()), (201, Some("STAGING")));
    let build = format!("/v3/builds/{}", build["guid"].as_str().unwrap());
    let build = becomes(client, &build, "STAGED").await;
    (app, build["droplet"]["guid"].as_str().unwrap().to_owned())
}

async fn becomes(client: &Client, path: &str, state: &str) -> Value {
    for _ in 0..500 {
        let now = client.get(path).await;
        if now["state"] == state {
            return now;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{path} never becomes {state}");
}

#[tokio::test]
async fn an_app_is_pushed_rolling() {
    let client = Client::with(Options { speed: 100.0, ..Options::default() }).await;
    let (app, droplet) = push(&client, "catalog").await;
    let before = client.get(&format!("/v3/apps/{app}/revisions/deployed")).await;
    let body = json!({ "droplet": { "guid": droplet }, "strategy": "rolling", "relationships": { "app": { "data": { "guid": app } } } });
    let (status, made) = client.send("POST", "/v3/deployments", Some(&body)).await;
    assert_eq!(status, 201, "{made}");
    let path = format!("/v3/deployments/{}", made["guid"].as_str().unwrap());
    for _ in 0..500 {
        if client.get(&path).await["status"]["value"] == "FINALIZED" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let ended = client.get(&path).await;
    assert_eq!(ended["status"]["reason"], "DEPLOYED", "{ended}");
    let after = client.get(&format!("/v3/apps/{app}/revisions/deployed")).await;
    assert_eq!(after["resources"].as_array().unwrap().len(), 1);
    assert_ne!(before["resources"][0]["guid"], after["resources"][0]["guid"]);
    assert_eq!(after["resources"][0]["droplet"]["guid"], droplet.as_str());
}

/// `DELETE /v3/apps/:guid` answers with a job (`apps_controller.rb`, `destroy`); what stays are the audit events.
#[tokio::test]
async fn an_app_is_deleted_by_a_job() {
    let client = Client::with(Options { speed: 100.0, ..Options::default() }).await;
    let guid = client.app("web").await;
    let path = format!("/v3/apps/{guid}");
    let routes = client.get(&format!("{path}/routes")).await;
    let route = format!("/v3/routes/{}", routes["resources"][0]["guid"].as_str().unwrap());
    let (status, _) = client.send("DELETE", &path, None).await;
    assert_eq!(status, 202);
    // `cf delete -r` goes on where its route is gone already, and only on this error.
    let (status, error) = client.send("DELETE", &route, None).await;
    assert_eq!((status, &error["errors"][0]["title"]), (404, &json!("CF-ResourceNotFound")));
    for gone in [path.clone(), format!("{path}/revisions"), format!("{path}/processes/web/stats")] {
        let (status, _) = client.send("GET", &gone, None).await;
        assert_eq!(status, 404, "{gone}");
    }
    for list in ["/v3/apps?names=web", "/v3/deployments?status_values=ACTIVE", "/v3/processes"] {
        let body = client.get(list).await.to_string();
        assert!(!body.contains(&guid), "{list}");
    }
    let events = client.get(&format!("/v3/audit_events?target_guids={guid}")).await.to_string();
    assert!(events.contains("audit.app.delete-request"), "{events}");
    // Its name is free.
    push(&client, "web").await;
    assert_ne!(client.app("web").await, guid);
}

#[tokio::test]
async fn a_new_app_is_pushed_and_started() {
    let client = Client::with(Options { speed: 100.0, ..Options::default() }).await;
    let (app, droplet) = push(&client, "newcomer").await;
    let current = json!({ "data": { "guid": droplet } });
    let path = format!("/v3/apps/{app}/relationships/current_droplet");
    assert_eq!(client.send("PATCH", &path, Some(&current)).await.0, 200);
    let (status, started) =
        client.send("POST", &format!("/v3/apps/{app}/actions/start"), None).await;
    assert_eq!((status, started["state"].as_str()), (200, Some("STARTED")));
    let processes = client.get(&format!("/v3/apps/{app}/processes")).await;
    let web = processes["resources"][0]["guid"].as_str().unwrap().to_owned();
    for _ in 0..500 {
        let stats = client.get(&format!("/v3/processes/{web}/stats")).await;
        let up = |one: &Value| one["state"] == "RUNNING";
        let all = stats["resources"].as_array().unwrap();
        if all.len() == 2 && all.iter().all(up) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it does not start");
}
