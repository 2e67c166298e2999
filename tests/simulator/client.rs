//! A client that is logged in.

use std::fs;

use revdeck::simulator::{Options, Simulator, cloud_foundry::Foundation};
use serde_json::Value;

/// A client of a simulator of its own.
pub struct Client {
    pub simulator: Simulator<Foundation>,
    pub http: reqwest::Client,
    pub api: String,
    pub token: String,
}

impl Client {
    pub async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub async fn with(options: Options) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let simulator = Simulator::cloud_foundry(&options).await.unwrap();
        let config = fs::read_to_string(simulator.home().join(".cf/config.json")).unwrap();
        let config: Value = serde_json::from_str(&config).unwrap();
        let text = |name: &str| config[name].as_str().unwrap().to_owned();
        let (api, token) = (text("Target"), text("AccessToken"));
        let http = reqwest::Client::builder().tls_certs_only([]).no_proxy().build().unwrap();
        Self { simulator, http, api, token }
    }

    pub async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.api))
            .header("authorization", &self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let bytes = response.bytes().await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.send("GET", path, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    pub async fn app(&self, name: &str) -> String {
        self.get(&format!("/v3/apps?names={name}")).await["resources"][0]["guid"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}
