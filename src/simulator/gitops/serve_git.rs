//! Smart HTTP, by `git http-backend`: <https://git-scm.com/docs/git-http-backend>.

use std::{path::Path, process::Stdio};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header, request::Parts},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::{io::AsyncWriteExt, process::Command};

/// Name and password of the operator.
pub(crate) const USER: &str = "hana";
pub(crate) const PASSWORD: &str = "simulated";

/// Whether a path is one of smart HTTP.
pub(crate) fn is_git(path: &str) -> bool {
    [".git/info/refs", ".git/git-upload-pack", ".git/git-receive-pack", ".git/HEAD"]
        .iter()
        .any(|end| path.ends_with(end))
}

/// Whether a request can change something.
pub(crate) fn writes(path: &str) -> bool {
    path.ends_with("/git-receive-pack")
}

/// Whether the login is good.
pub(crate) fn authorized(headers: &HeaderMap) -> bool {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    given == Some(&format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}"))))
}

/// The answer to who does not say who they are.
pub(crate) fn challenge() -> Response {
    let wanted = [(header::WWW_AUTHENTICATE, "Basic realm=\"git\"")];
    (StatusCode::UNAUTHORIZED, wanted, "Authentication required").into_response()
}

/// Has git answer.
pub(crate) async fn answer(root: &Path, parts: &Parts, body: Bytes) -> Response {
    match run(root, &parts.uri, parts, body).await {
        Ok(response) => response,
        Err(why) => (StatusCode::INTERNAL_SERVER_ERROR, why).into_response(),
    }
}

async fn run(root: &Path, uri: &Uri, parts: &Parts, body: Bytes) -> Result<Response, String> {
    let given = |name: &str| {
        parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let mut command = Command::new("git");
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("PATH_INFO", uri.path())
        .env("QUERY_STRING", uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", given("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", given("content-encoding"))
        .env("GIT_PROTOCOL", given("git-protocol"))
        .env("REMOTE_USER", USER)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child =
        command.spawn().map_err(|error| format!("git http-backend cannot be run: {error}"))?;
    let stdin = child.stdin.take();
    let feed = async {
        if let Some(mut stdin) = stdin {
            let _ = stdin.write_all(&body).await;
        }
    };
    let (output, ()) = tokio::join!(child.wait_with_output(), feed);
    let told = output.map_err(|error| error.to_string())?.stdout;
    let (end, skip) = match told.windows(4).position(|some| some == b"\r\n\r\n") {
        Some(end) => (end, 4),
        None => (
            told.windows(2)
                .position(|some| some == b"\n\n")
                .ok_or("git http-backend says nothing")?,
            2,
        ),
    };
    let head = String::from_utf8_lossy(&told[..end]).into_owned();
    let mut response = Response::new(Body::from(told[end + skip..].to_vec()));
    for line in head.lines() {
        let Some((name, value)) = line.split_once(": ") else { continue };
        if name.eq_ignore_ascii_case("status") {
            let code = value.split(' ').next().and_then(|code| code.parse().ok());
            *response.status_mut() = code.unwrap_or(StatusCode::OK);
        } else if let (Ok(name), Ok(value)) =
            (HeaderName::try_from(name), HeaderValue::from_str(value))
        {
            response.headers_mut().insert(name, value);
        }
    }
    // A client that sends a second request over a connection that dies sends it again by itself (curl, "Connection died,
    // retrying a fresh connect"): what is lost is to be lost.
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    Ok(response)
}
