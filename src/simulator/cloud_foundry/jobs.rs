//! Jobs: what the platform does after it has answered, here done as soon as it is asked for.

use axum::http::{StatusCode, header};
use serde_json::{Value, json};

use super::{
    call::{Call, Reply},
    present,
    world::World,
};
use crate::simulator::guid::{self, Kind};

/// What a job does.
#[derive(Clone, Copy)]
pub(crate) enum Job {
    Manifest = 3,
    Deletion = 4,
}

impl Job {
    fn guid(self, world: &World) -> String {
        guid::make(world.seed, Kind::Other, 0, self as usize)
    }
}

/// The answer to a request that a job carries out.
pub(crate) fn accepted(world: &World, call: &Call, job: Job) -> Reply {
    let place = format!("{}/v3/jobs/{}", call.base, job.guid(world));
    Reply::empty(StatusCode::ACCEPTED).header(header::LOCATION, &place)
}

/// The response body for a job.
pub(crate) fn show(world: &World, call: &Call, guid: &str) -> Value {
    let deletion = guid == Job::Deletion.guid(world);
    json!({
        "guid": guid,
        "created_at": present::time(world.now),
        "updated_at": present::time(world.now),
        "operation": if deletion { "app.delete" } else { "space.apply_manifest" },
        "state": "COMPLETE",
        "errors": [],
        "warnings": [],
        "links": { "self": { "href": format!("{}/v3/jobs/{guid}", call.base) } },
    })
}
