//! Answers against the platform's own documents, where those are at hand: the OpenAPI document, and the requests that
//! the real cf CLI was seen to make.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};

use crate::client::Client;

fn shared(name: &str) -> Option<String> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../shared/fixtures/cloud-foundry")
        .join(name);
    let text = fs::read_to_string(file).ok();
    if text.is_none() {
        crate::skipped::skipped("fixtures", &format!("{name} is not at hand"));
    }
    text
}

/// The part of OpenAPI 3.0 schemas that the document uses.
struct Document(Value);

impl Document {
    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let mut schema = schema;
        while let Some(reference) = schema["$ref"].as_str() {
            schema = self.0.pointer(reference.trim_start_matches('#')).unwrap();
        }
        schema
    }

    fn check(&self, schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
        let schema = self.resolve(schema);
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.check(part, value, at, wrong);
        }
        for choice in ["oneOf", "anyOf"] {
            if let Some(parts) = schema[choice].as_array() {
                let fits = |part: &Value| {
                    let mut inner = Vec::new();
                    self.check(part, value, at, &mut inner);
                    inner.is_empty()
                };
                if !parts.iter().any(fits) && schema["nullable"] != true {
                    wrong.push(format!("{at}: {value} fits none of {choice}"));
                }
            }
        }
        if value.is_null() {
            if schema["nullable"] != true && schema["type"].is_string() {
                wrong.push(format!("{at}: is null"));
            }
            return;
        }
        let fits = match schema["type"].as_str() {
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            Some("string") => value.is_string(),
            Some("integer") => value.is_i64() || value.is_u64(),
            Some("number") => value.is_number(),
            Some("boolean") => value.is_boolean(),
            _ => true,
        };
        if !fits {
            wrong.push(format!("{at}: {value} is no {}", schema["type"]));
            return;
        }
        if let Some(words) = schema["enum"].as_array()
            && !words.contains(value)
        {
            wrong.push(format!("{at}: {value} is none of {}", schema["enum"]));
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if value.get(name).is_none() {
                wrong.push(format!("{at}: lacks {name}"));
            }
        }
        if let (Some(properties), Some(map)) = (schema["properties"].as_object(), value.as_object())
        {
            for (name, inner) in map {
                if let Some(property) = properties.get(name) {
                    self.check(property, inner, &format!("{at}.{name}"), wrong);
                }
            }
        }
        if let (Some(items), Some(list)) = (schema.get("items"), value.as_array()) {
            for (index, item) in list.iter().enumerate() {
                self.check(items, item, &format!("{at}[{index}]"), wrong);
            }
        }
    }

    fn answer(&self, path: &str, method: &str, status: &str) -> Option<&Value> {
        let operation = &self.0["paths"][path][method];
        let response = self.resolve(&operation["responses"][status]);
        let schema = &response["content"]["application/json"]["schema"];
        (!schema.is_null()).then_some(schema)
    }
}

/// Where the document forbids a null that the samples and the server have.
const DISAGREE: [&str; 5] = [
    "pagination.next: null",
    "pagination.previous: null",
    "relationships.quota.data: is null",
    "relationships.revision: null",
    "previous_droplet.guid: is null",
];

#[tokio::test]
async fn answers_fit_the_openapi_document() {
    let Some(text) = shared("openapi-3.228.yaml") else { return };
    let document: Value = yaml_serde::from_str(&text).unwrap();
    let document = Document(document);
    let client = Client::start().await;
    let app = client.app("orders").await;
    let first =
        |value: Value| value["resources"][0]["guid"].as_str().unwrap_or_default().to_owned();
    let revision = first(client.get(&format!("/v3/apps/{app}/revisions")).await);
    let deployment = first(client.get("/v3/deployments").await);
    let process = first(client.get(&format!("/v3/apps/{app}/processes")).await);
    let droplet = first(client.get(&format!("/v3/apps/{app}/droplets")).await);
    let event = first(client.get("/v3/audit_events").await);
    let org = first(client.get("/v3/organizations").await);
    let space = first(client.get("/v3/spaces").await);
    let quota = client.get(&format!("/v3/organizations/{org}")).await["relationships"]["quota"]["data"]["guid"].clone();
    let quota = quota.as_str().unwrap().to_owned();
    let asked = [
        ("/v3/info", "/v3/info".to_owned()),
        ("/v3/organizations", "/v3/organizations".to_owned()),
        ("/v3/organizations/{guid}", format!("/v3/organizations/{org}")),
        (
            "/v3/organizations/{guid}/usage_summary",
            format!("/v3/organizations/{org}/usage_summary"),
        ),
        ("/v3/organization_quotas/{guid}", format!("/v3/organization_quotas/{quota}")),
        ("/v3/spaces", "/v3/spaces?include=organization".to_owned()),
        ("/v3/spaces/{guid}", format!("/v3/spaces/{space}")),
        ("/v3/apps", "/v3/apps?include=space.organization".to_owned()),
        ("/v3/apps/{guid}", format!("/v3/apps/{app}")),
        ("/v3/apps/{guid}/features", format!("/v3/apps/{app}/features")),
        ("/v3/apps/{guid}/features/{name}", format!("/v3/apps/{app}/features/revisions")),
        ("/v3/apps/{guid}/environment_variables", format!("/v3/apps/{app}/environment_variables")),
        ("/v3/apps/{guid}/revisions", format!("/v3/apps/{app}/revisions")),
        ("/v3/apps/{guid}/revisions/deployed", format!("/v3/apps/{app}/revisions/deployed")),
        ("/v3/apps/{guid}/processes", format!("/v3/apps/{app}/processes")),
        ("/v3/apps/{guid}/droplets", format!("/v3/apps/{app}/droplets")),
        ("/v3/apps/{guid}/droplets/current", format!("/v3/apps/{app}/droplets/current")),
        ("/v3/apps/{guid}/sidecars", format!("/v3/apps/{app}/sidecars")),
        ("/v3/apps/{guid}/routes", format!("/v3/apps/{app}/routes")),
        ("/v3/revisions/{guid}", format!("/v3/revisions/{revision}")),
        (
            "/v3/revisions/{guid}/environment_variables",
            format!("/v3/revisions/{revision}/environment_variables"),
        ),
        ("/v3/deployments", "/v3/deployments?per_page=5000".to_owned()),
        ("/v3/deployments/{guid}", format!("/v3/deployments/{deployment}")),
        ("/v3/processes", "/v3/processes".to_owned()),
        ("/v3/processes/{guid}", format!("/v3/processes/{process}")),
        ("/v3/processes/{guid}/stats", format!("/v3/processes/{process}/stats")),
        (
            "/v3/processes/{guid}/process_instances",
            format!("/v3/processes/{process}/process_instances"),
        ),
        ("/v3/droplets/{guid}", format!("/v3/droplets/{droplet}")),
        ("/v3/audit_events", "/v3/audit_events?per_page=500".to_owned()),
        ("/v3/audit_events/{guid}", format!("/v3/audit_events/{event}")),
        ("/v3/routes", "/v3/routes".to_owned()),
        ("/v3/stacks", "/v3/stacks".to_owned()),
        ("/v3/domains", "/v3/domains".to_owned()),
    ];
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for (template, path) in asked {
        let body = client.get(&path).await;
        let Some(schema) = document.answer(template, "get", "200") else { continue };
        checked += 1;
        document.check(schema, &body, template, &mut wrong);
    }
    // What is made answers with 201.
    let made = json!({ "relationships": { "app": { "data": { "guid": app } } } });
    let (status, body) = client.send("POST", "/v3/deployments", Some(&made)).await;
    assert_eq!(status, 201, "{body}");
    if let Some(schema) = document.answer("/v3/deployments", "post", "201") {
        document.check(schema, &body, "POST /v3/deployments", &mut wrong);
        checked += 1;
    }
    wrong.retain(|text| !DISAGREE.iter().any(|known| text.contains(known)));
    wrong.sort();
    wrong.dedup_by_key(|text| text.replace(|letter: char| letter.is_ascii_digit(), ""));
    assert!(checked >= 20, "only {checked} answers are described");
    assert!(wrong.is_empty(), "{}", wrong.iter().take(60).cloned().collect::<Vec<_>>().join("\n"));
}

#[tokio::test]
async fn what_the_cf_cli_asks_is_answered() {
    let Some(calls) = shared("cf-cli-calls/cf-7.3.0.txt") else { return };
    let client = Client::start().await;
    let app = client.app("catalog").await;
    let revision = client.get(&format!("/v3/apps/{app}/revisions?order_by=-created_at")).await;
    let revision = revision["resources"][1]["guid"].as_str().unwrap().to_owned();
    let made = json!({ "relationships": { "app": { "data": { "guid": app } } } });
    let deployment = client.send("POST", "/v3/deployments", Some(&made)).await.1["guid"]
        .as_str()
        .unwrap()
        .to_owned();
    let package =
        json!({ "type": "bits", "relationships": { "app": { "data": { "guid": app } } } });
    let package = client.send("POST", "/v3/packages", Some(&package)).await.1["guid"]
        .as_str()
        .unwrap()
        .to_owned();
    let org = client.get("/v3/organizations?names=acme").await["resources"][0]["guid"]
        .as_str()
        .unwrap()
        .to_owned();
    let space = client.get("/v3/spaces?names=prod").await["resources"][0]["guid"]
        .as_str()
        .unwrap()
        .to_owned();
    let known = |line: &str| {
        let guid = |prefix: &str, own: &str, line: String| {
            let mut out = line;
            while let Some(at) = out.find(prefix) {
                out.replace_range(at..at + 36, own);
            }
            out
        };
        let mut line = line.to_owned();
        for (prefix, own) in [
            ("aaaaaaaa-0000", &org),
            ("bbbbbbbb-0000", &space),
            ("cccccccc-0000", &app),
            ("dddddddd-0000", &revision),
            ("abababab-0000", &package),
            ("99999999-0000", &deployment),
        ] {
            line = guid(prefix, own, line);
        }
        line
    };
    let mut tried = 0;
    for line in calls.lines().filter(|line| line.starts_with("GET ") && line.contains("-> 200")) {
        let line = known(line);
        let path = line.split_whitespace().nth(1).unwrap().to_owned();
        // Deployments of the recording are not ours.
        let path = if path.starts_with("/v3/deployments/") {
            format!("/v3/deployments/{deployment}")
        } else {
            path
        };
        let (status, body) = client.send("GET", &path, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        tried += 1;
    }
    assert!(tried > 50, "{tried}");
    let roll_back = json!({ "revision": { "guid": revision }, "relationships": { "app": { "data": { "guid": app } } } });
    assert_eq!(client.send("POST", "/v3/deployments", Some(&roll_back)).await.0, 201);
    assert_eq!(
        client.send("POST", &format!("/v3/deployments/{deployment}/actions/cancel"), None).await.0,
        422
    );
    drop(client.simulator);
}
