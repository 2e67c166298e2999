//! The house's HTTP client as the AWS libraries want one, so that logins (SSO, STS, containers, machines) go the same way
//! as everything else: one TLS stack, the same proxies and limits, no redirects.

use std::time::Duration;

use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
        SharedHttpConnector,
    },
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;

use crate::platform::http::collect;

/// How long an answer to a login may take.
const TIMEOUT: Duration = Duration::from_secs(15);

#[derive(Clone, Debug)]
struct Connector(reqwest::Client);

/// A client for the AWS libraries.
pub(in crate::platform::ecs) fn client(client: reqwest::Client) -> SharedHttpClient {
    SharedHttpClient::new(Connector(client))
}

impl HttpClient for Connector {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move {
            let request =
                request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            let (parts, body) = request.into_parts();
            let body = body.bytes().map(<[u8]>::to_vec).unwrap_or_default();
            let sent = client
                .request(parts.method, parts.uri.to_string())
                .headers(parts.headers)
                .body(body)
                .timeout(TIMEOUT)
                .send()
                .await;
            let answer = sent.map_err(|error| {
                if error.is_timeout() {
                    ConnectorError::timeout(error.into())
                } else {
                    ConnectorError::io(error.into())
                }
            })?;
            let mut told = http::Response::builder().status(answer.status());
            if let Some(headers) = told.headers_mut() {
                headers.extend(answer.headers().clone());
            }
            let body = collect(answer.bytes_stream(), TIMEOUT).await;
            let body = body.map_err(|error| ConnectorError::io(error.to_string().into()))?;
            let told = told
                .body(SdkBody::from(body))
                .map_err(|error| ConnectorError::other(error.into(), None))?;
            HttpResponse::try_from(told).map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}
