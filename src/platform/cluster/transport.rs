//! How bytes reach a cluster: one HTTP/2 connection for all lists and watches where the server offers it, HTTP/1.1 where
//! not. Which one it is, the first TLS handshake tells; everything that is asked for meanwhile waits for it, so that a
//! start costs one handshake and not one a request.

use std::{
    error::Error as StdError,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use crate::platform::sync::lock;

use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use http::{HeaderValue, Request, Response, Uri};
use hyper::{
    body::Incoming,
    rt::{Read, Write},
};
use hyper_rustls::{
    FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream,
};
use hyper_util::{
    client::legacy::{
        Builder, Client as HttpClient,
        connect::{
            Connection, HttpConnector,
            proxy::{SocksV5, Tunnel},
        },
    },
    rt::{TokioExecutor, TokioTimer},
};
use kube::{
    Client, Config,
    client::{Body, ConfigExt},
};
use tokio::time::timeout;
use tower::{BoxError, Service, ServiceBuilder};
use tower_http::decompression::DecompressionLayer;

/// How long a connection may take to stand.
const CONNECT: Duration = Duration::from_secs(6);

/// A client for the cluster of a configuration. May run an exec plugin, and waits for it. A shared connection is asked
/// every `ping` whether it still stands, and is given up where it does not answer for as long again: what is dead must
/// not hold the watches for minutes.
///
/// # Errors
/// The login, its certificates or the proxy cannot be used.
pub(super) fn client(config: &Config, ping: Duration) -> Result<Client, BoxError> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let Some(proxy) = config.proxy_url.clone() else { return over(config, ping, tcp) };
    match proxy.scheme_str() {
        Some("socks5") => over(config, ping, SocksV5::new(proxy, tcp)),
        // The name is resolved by the proxy, as curl has it.
        Some("socks5h") => {
            let proxy = proxy.to_string().replacen("socks5h", "socks5", 1).parse()?;
            over(config, ping, SocksV5::new(proxy, tcp))
        }
        Some("http") => over(config, ping, tunnel(proxy, tcp)?),
        Some("https") => {
            let tls = HttpsConnectorBuilder::new()
                .with_tls_config(config.rustls_client_config()?)
                .https_or_http()
                .enable_http1()
                .wrap_connector(tcp);
            over(config, ping, tunnel(proxy, tls)?)
        }
        _ => Err(format!("the proxy {proxy} is of a kind that is not known").into()),
    }
}

/// A connector through an HTTP proxy, with the login that the proxy's address holds.
fn tunnel<C>(proxy: Uri, connector: C) -> Result<Tunnel<C>, BoxError> {
    let login = proxy.authority().and_then(|one| one.as_str().rsplit_once('@'));
    let header = login.map(|(login, _)| {
        // An address holds a login percent-encoded; the header does not.
        let login = percent_encoding::percent_decode_str(login).collect::<Vec<_>>();
        HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(login)))
    });
    let tunnel = Tunnel::new(proxy, connector);
    Ok(match header {
        Some(header) => tunnel.with_auth(header?),
        None => tunnel,
    })
}

fn over<H>(config: &Config, ping: Duration, connector: H) -> Result<Client, BoxError>
where
    H: Service<Uri> + Clone + Send + Sync + 'static,
    H::Response: Connection + Read + Write + Send + Unpin + 'static,
    H::Future: Send + 'static,
    H::Error: Into<BoxError> + Send + Sync + 'static,
{
    let mut https = HttpsConnectorBuilder::new()
        .with_tls_config(config.rustls_client_config()?)
        .https_or_http();
    if let Some(name) = config.tls_server_name.clone() {
        https = https.with_server_name_resolver(FixedServerNameResolver::new(name.try_into()?));
    }
    let transport = Transport::new(https.enable_all_versions().wrap_connector(connector), ping);
    let unpacking =
        DecompressionLayer::new().no_br().no_deflate().no_zstd().gzip(!config.disable_compression);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .layer(unpacking)
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .service(transport);
    Ok(Client::new(service, config.default_namespace.clone()))
}

/// No connection came to stand: nothing was sent.
#[derive(Clone, Debug)]
pub(super) struct NotConnected(Arc<BoxError>);

impl NotConnected {
    fn new(error: impl Into<BoxError>) -> Self {
        Self(Arc::new(error.into()))
    }
}

impl fmt::Display for NotConnected {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("no connection")
    }
}

impl StdError for NotConnected {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&**self.0)
    }
}

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    /// One connection for everything.
    Http2,
    /// A connection for each request that is under way.
    Http1,
}

/// Makes connections of one protocol; the first one may be there already.
struct Connector<H: Service<Uri>> {
    https: HttpsConnector<H>,
    protocol: Protocol,
    first: Arc<Mutex<Option<MaybeHttpsStream<H::Response>>>>,
}

impl<H: Service<Uri> + Clone> Clone for Connector<H> {
    fn clone(&self) -> Self {
        Self { https: self.https.clone(), protocol: self.protocol, first: self.first.clone() }
    }
}

/// Connects, within the time that it may take.
async fn connect<H>(
    mut https: HttpsConnector<H>,
    address: Uri,
) -> Result<(MaybeHttpsStream<H::Response>, Protocol), NotConnected>
where
    H: Service<Uri> + Send + 'static,
    H::Response: Connection + Read + Write + Send + Unpin + 'static,
    H::Future: Send + 'static,
    H::Error: Into<BoxError>,
{
    let connected = timeout(CONNECT, https.call(address)).await;
    let stream = connected
        .map_err(|_| NotConnected::new(format!("no connection within {}s", CONNECT.as_secs())))?
        .map_err(NotConnected::new)?;
    let shared = stream.connected().is_negotiated_h2();
    Ok((stream, if shared { Protocol::Http2 } else { Protocol::Http1 }))
}

impl<H> Service<Uri> for Connector<H>
where
    H: Service<Uri> + Clone + Send + 'static,
    H::Response: Connection + Read + Write + Send + Unpin + 'static,
    H::Future: Send + 'static,
    H::Error: Into<BoxError>,
{
    type Response = MaybeHttpsStream<H::Response>;
    type Error = NotConnected;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, NotConnected>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NotConnected>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, address: Uri) -> Self::Future {
        let first = lock(&self.first).take();
        let (https, wanted) = (self.https.clone(), self.protocol);
        Box::pin(async move {
            if let Some(first) = first {
                return Ok(first);
            }
            let (stream, protocol) = connect(https, address).await?;
            if protocol != wanted {
                return Err(NotConnected::new("the server speaks another version of HTTP now"));
            }
            Ok(stream)
        })
    }
}

type Agreed = Shared<BoxFuture<'static, Result<Protocol, NotConnected>>>;

/// The service at the bottom of the client.
struct Transport<H: Service<Uri>> {
    shared: Pool<H>,
    single: Pool<H>,
    connector: Connector<H>,
    agreed: Arc<Mutex<Option<Agreed>>>,
}

type Pool<H> = HttpClient<Connector<H>, Body>;

impl<H: Service<Uri> + Clone> Clone for Transport<H> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            single: self.single.clone(),
            connector: self.connector.clone(),
            agreed: self.agreed.clone(),
        }
    }
}

impl<H> Transport<H>
where
    H: Service<Uri> + Clone + Send + Sync + 'static,
    H::Response: Connection + Read + Write + Send + Unpin + 'static,
    H::Future: Send + 'static,
    H::Error: Into<BoxError> + Send + Sync + 'static,
{
    fn new(https: HttpsConnector<H>, ping: Duration) -> Self {
        let first = Arc::default();
        let connector = Connector { https, protocol: Protocol::Http1, first };
        let single = Builder::new(TokioExecutor::new()).build(connector.clone());
        let shared = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .http2_only(true)
            .http2_keep_alive_interval(ping)
            .http2_keep_alive_timeout(ping)
            .http2_keep_alive_while_idle(true)
            .build(Connector { protocol: Protocol::Http2, ..connector.clone() });
        Self { shared, single, connector, agreed: Arc::default() }
    }

    /// What the server speaks, found out by the first connection, which is then used.
    fn agree(&self, address: Uri) -> Agreed {
        let mut agreed = lock(&self.agreed);
        let connector = self.connector.clone();
        let fresh = || {
            let agreeing = async move {
                let (stream, protocol) = connect(connector.https, address).await?;
                let mut first = lock(&connector.first);
                *first = Some(stream);
                Ok(protocol)
            };
            agreeing.boxed().shared()
        };
        agreed.get_or_insert_with(fresh).clone()
    }

    /// Has the protocol found out again at the next request.
    fn disagree(&self) {
        *lock(&self.agreed) = None;
        *lock(&self.connector.first) = None;
    }
}

impl<H> Service<Request<Body>> for Transport<H>
where
    H: Service<Uri> + Clone + Send + Sync + 'static,
    H::Response: Connection + Read + Write + Send + Unpin + 'static,
    H::Future: Send + 'static,
    H::Error: Into<BoxError> + Send + Sync + 'static,
{
    type Response = Response<Incoming>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Incoming>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let agreed = this.agree(request.uri().clone());
            let protocol = agreed.clone().await.inspect_err(|_| this.disagree())?;
            let client = match protocol {
                Protocol::Http2 => &this.shared,
                Protocol::Http1 => &this.single,
            };
            let answer = client.request(request).await;
            answer.map_err(|error| {
                if error.is_connect() {
                    this.disagree();
                }
                error.into()
            })
        })
    }
}
