//! A TCP listener whose connections can be cut from inside a request, without an answer.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{extract::connect_info::Connected, serve::IncomingStream};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::either::Either;

/// The switch that cuts one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scissors(Arc<AtomicBool>);

impl Scissors {
    /// Makes every later write on the connection fail, so that the peer sees it closed unanswered.
    pub(crate) fn cut(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

type Socket = Either<TcpStream, TlsStream<TcpStream>>;

/// Listens for TCP, and for TLS on it where there is a certificate.
pub(crate) struct CuttableListener {
    tcp: TcpListener,
    tls: Option<TlsAcceptor>,
    /// The connections that are not yet ready to be served.
    handshakes: JoinSet<Option<(Socket, SocketAddr)>>,
}

pub(crate) struct CuttableStream {
    stream: Socket,
    scissors: Scissors,
}

impl CuttableListener {
    pub(crate) fn new(tcp: TcpListener, tls: Option<TlsAcceptor>) -> Self {
        Self { tcp, tls, handshakes: JoinSet::new() }
    }
}

impl axum::serve::Listener for CuttableListener {
    type Io = CuttableStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, address) = loop {
            tokio::select! {
                accepted = axum::serve::Listener::accept(&mut self.tcp) => {
                    // Small answers must not wait for the peer's delayed acknowledgement.
                    let _ = accepted.0.set_nodelay(true);
                    let Some(tls) = self.tls.clone() else {
                        break (Either::Left(accepted.0), accepted.1);
                    };
                    // One who does not shake hands must not keep the others waiting.
                    self.handshakes.spawn(async move {
                        let stream = timeout(HANDSHAKE, tls.accept(accepted.0)).await.ok()?.ok()?;
                        Some((Either::Right(stream), accepted.1))
                    });
                }
                Some(ready) = self.handshakes.join_next() => {
                    if let Ok(Some(ready)) = ready {
                        break ready;
                    }
                }
            }
        };
        (CuttableStream { stream, scissors: Scissors::default() }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}

impl Connected<IncomingStream<'_, CuttableListener>> for Scissors {
    fn connect_info(stream: IncomingStream<'_, CuttableListener>) -> Self {
        stream.io().scissors.clone()
    }
}

impl AsyncRead for CuttableStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for CuttableStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.scissors.0.load(Ordering::Acquire) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
