//! Signatures: what was sent is signed again with the known secret, and must come to the same.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use axum::http::{HeaderMap, Uri, header};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use super::error::ApiError;
use crate::simulator::clock::wall_seconds;

/// The keys of the one login.
pub(crate) const KEY: &str = "AKIAREVDECKSIMULATED";
pub(crate) const SECRET: &str = "simulated/secret/that/opens/nothing";
/// How far a request's time may be off, in seconds.
const SKEW: i64 = 300;

struct Claim<'a> {
    key: &'a str,
    region: &'a str,
    service: &'a str,
    headers: Vec<&'a str>,
    signature: &'a str,
}

fn claim(authorization: &str) -> Option<Claim<'_>> {
    let rest = authorization.strip_prefix("AWS4-HMAC-SHA256 ")?;
    let parts: BTreeMap<_, _> =
        rest.split(',').filter_map(|part| part.trim().split_once('=')).collect();
    let mut scope = parts.get("Credential")?.split('/');
    let (key, _, region, service) = (scope.next()?, scope.next()?, scope.next()?, scope.next()?);
    Some(Claim {
        key,
        region,
        service,
        headers: parts.get("SignedHeaders")?.split(';').collect(),
        signature: parts.get("Signature")?,
    })
}

/// Checks who sent a request, as the front of every AWS API does.
pub(crate) fn check(
    base: &str,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(), ApiError> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(claim) = text(header::AUTHORIZATION.as_str()).and_then(claim) else {
        return Err(ApiError::new(
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        ));
    };
    if claim.key != KEY {
        return Err(ApiError::new(
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        ));
    }
    let wrong = || {
        ApiError::new(
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
        )
    };
    let date = text("x-amz-date").unwrap_or_default();
    let at = DateTime::strptime("%Y%m%dT%H%M%SZ", date)
        .ok()
        .and_then(|at| at.to_zoned(TimeZone::UTC).ok());
    let at = at.map(|at| at.timestamp()).ok_or_else(wrong)?;
    let now = wall_seconds();
    if (at.as_second() - now).abs() > SKEW {
        let now =
            Timestamp::from_second(now).unwrap_or_default().strftime("%Y%m%dT%H%M%SZ").to_string();
        return Err(ApiError::new(
            "InvalidSignatureException",
            format!("Signature expired: {date} is now earlier or later than {now} (5 min.)"),
        ));
    }
    let signed = claim.headers.iter().filter(|name| **name != "x-amz-date");
    let signed: Option<Vec<_>> = signed.map(|name| Some((*name, text(name)?))).collect();
    let expected = expected(&claim, base, uri, signed.ok_or_else(wrong)?, body, at);
    if expected.as_deref() == Some(claim.signature) { Ok(()) } else { Err(wrong()) }
}

fn expected(
    claim: &Claim<'_>,
    base: &str,
    uri: &Uri,
    headers: Vec<(&str, &str)>,
    body: &[u8],
    at: Timestamp,
) -> Option<String> {
    let token = headers.iter().find(|(name, _)| *name == "x-amz-security-token");
    let token = token.map(|(_, value)| (*value).to_owned());
    let identity = Credentials::new(KEY, SECRET, token, None, "simulated").into();
    let mut settings = SigningSettings::default();
    // All that the client says it has signed is signed, whatever it is.
    settings.excluded_headers = None;
    let seconds = Duration::from_secs(at.as_second().unsigned_abs());
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(claim.region)
        .name(claim.service)
        .time(SystemTime::UNIX_EPOCH + seconds)
        .settings(settings)
        .build()
        .ok()?
        .into();
    let address = format!("{base}{uri}");
    let request =
        SignableRequest::new("POST", address, headers.into_iter(), SignableBody::Bytes(body))
            .ok()?;
    Some(sign(request, &parameters).ok()?.into_parts().1)
}
