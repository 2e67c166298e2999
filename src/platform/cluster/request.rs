//! How a request travels to the cluster: through kube's client, which has its login.

use std::error::Error as StdError;

use async_trait::async_trait;
use http::{Method, Request, header};
use http_body_util::BodyExt;
use kube::client::{AuthError, Body};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;

use crate::platform::{
    Error,
    cluster::{connect::Connection, dialect, transport::NotConnected},
    http::{
        WRITES_WAIT, WriteError, causes, collect,
        exchange::{self, Answer, Api, NoAnswer, Said},
    },
};

impl Connection {
    /// A path with its query, percent-encoded.
    pub(in crate::platform) fn address(path: &str, query: &[(&str, &str)]) -> String {
        let mut address = path.to_owned();
        for (index, (name, value)) in query.iter().enumerate() {
            address.push(if index == 0 { '?' } else { '&' });
            address.push_str(name);
            address.push('=');
            for byte in value.bytes() {
                if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                    address.push(char::from(byte));
                } else {
                    address.push_str(&format!("%{byte:02X}"));
                }
            }
        }
        address
    }

    /// Reads JSON; repeated on passing faults, with a new login where the old one ran out.
    pub(in crate::platform) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, Error> {
        let body = self.get_bytes(path, query).await?;
        self.decode(path, &body)
    }

    /// Decodes JSON, naming the place of what does not fit.
    pub(in crate::platform) fn decode<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &[u8],
    ) -> Result<T, Error> {
        exchange::decode(&self.api, path, body)
    }

    /// Reads a body as it is.
    pub(in crate::platform) async fn get_bytes(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<u8>, Error> {
        let address = Self::address(path, query);
        let make = || {
            let request = Request::get(&address).header(header::ACCEPT, "application/json");
            request.body(Body::empty()).map_err(|error| self.unreachable(&error))
        };
        exchange::read(self, path, make).await
    }

    /// Writes, once.
    pub(in crate::platform) async fn write(
        &self,
        method: Method,
        address: &str,
        content_type: &str,
        body: &Value,
    ) -> Result<Value, WriteError> {
        let make = || {
            let request = Request::builder()
                .method(method.clone())
                .uri(address)
                .header(header::ACCEPT, "application/json")
                .header(header::CONTENT_TYPE, content_type)
                .body(Body::from(body.to_string().into_bytes()));
            request.map_err(|error| self.unreachable(&error))
        };
        let body = exchange::write(self, address, make).await?;
        self.decode(address, &body).map_err(WriteError::Lost)
    }

    /// What a failed connection means.
    pub(in crate::platform) fn unreachable(&self, error: &(dyn StdError + 'static)) -> Error {
        if has_no_login(error) {
            return self.login(&causes(error));
        }
        exchange::unreachable(self, error)
    }
}

#[async_trait]
impl Api for Connection {
    type Request = Request<Body>;

    fn address(&self) -> &str {
        &self.api
    }

    async fn exchange(&self, request: Request<Body>) -> Result<Answer, NoAnswer> {
        let client = self.client().await.map_err(NoAnswer::unsent)?;
        self.meter.count();
        let writes = request.method() != Method::GET;
        let patience = if writes { self.timeout * WRITES_WAIT } else { self.timeout };
        let response = match timeout(patience, client.send(request)).await {
            Err(_) => return Err(exchange::silent(self, patience)),
            Ok(Err(error)) => {
                // Without a connection or a login nothing is sent.
                let received = !never_stood(&error) && !has_no_login(&error);
                return Err(NoAnswer { error: self.unreachable(&error), received });
            }
            Ok(Ok(response)) => response,
        };
        let (status, retry_after) = (response.status(), exchange::retry_after(response.headers()));
        let body = collect(response.into_body().into_data_stream(), self.timeout)
            .await
            .map_err(|error| exchange::incomplete(self, self.timeout, &error))?;
        Ok(Answer { status, retry_after, body, etag: None, login: None })
    }

    async fn renew(&self, _: &Answer) -> Result<(), Error> {
        self.forget().await;
        Ok(())
    }

    fn said(&self, body: &[u8]) -> Option<Said> {
        dialect::said(body)
    }

    fn login(&self, why: &str) -> Error {
        self.login(why)
    }

    fn tls_advice(&self) -> &'static str {
        "name its CA in the kubeconfig (certificate-authority of the cluster)"
    }
}

/// Whether a login could not be got, so that a request was not sent: the plugin of the kubeconfig, or a file with a token.
fn has_no_login(error: &(dyn StdError + 'static)) -> bool {
    exchange::chain(error).any(<dyn StdError>::is::<AuthError>)
}

/// Whether a connection never stood, so that nothing was sent on it.
fn never_stood(error: &(dyn StdError + 'static)) -> bool {
    exchange::chain(error).any(|error| {
        let of_client = error.downcast_ref::<hyper_util::client::legacy::Error>();
        error.is::<NotConnected>()
            || of_client.is_some_and(hyper_util::client::legacy::Error::is_connect)
    })
}
