//! A session file as `cf login` leaves it, so that clients may start logged in.

use std::{fs, io, path::Path};

use serde_json::json;

use super::{root::VERSION, uaa::Uaa, world::World};

pub(crate) fn write(
    home: &Path,
    (base, own_certificate): (&str, bool),
    uaa: &Uaa,
    world: &World,
) -> io::Result<()> {
    let (access, refresh) = uaa.session();
    let space = world.spaces.first();
    let org = space.map(|space| &world.orgs[space.org]);
    let config = json!({
        "ConfigVersion": 4, "Target": base, "APIVersion": format!("{}.{}.0", VERSION.0, VERSION.1),
        "AuthorizationEndpoint": base, "UaaEndpoint": base, "DopplerEndPoint": base.replacen("http", "ws", 1),
        "LogCacheEndPoint": base, "RoutingAPIEndpoint": "", "NetworkPolicyV1Endpoint": "",
        "AccessToken": format!("bearer {access}"), "RefreshToken": refresh,
        "SSLDisabled": own_certificate, "AsyncTimeout": 0, "Trace": "", "ColorEnabled": "", "Locale": "",
        "UAAOAuthClient": "cf", "UAAOAuthClientSecret": "", "UAAGrantType": "",
        "SSHOAuthClient": "ssh-proxy", "MinCLIVersion": "", "MinRecommendedCLIVersion": "",
        "OrganizationFields": { "GUID": org.map(|org| &org.guid), "Name": org.map(|org| &org.name) },
        "SpaceFields": { "GUID": space.map(|space| &space.guid), "Name": space.map(|space| &space.name), "AllowSSH": true },
        "PluginRepos": [],
    });
    let directory = home.join(".cf");
    fs::create_dir_all(&directory)?;
    let file = directory.join("config.json");
    fs::write(&file, serde_json::to_string_pretty(&config)?)?;
    private(&directory, 0o700)?;
    private(&file, 0o600)
}

#[cfg(unix)]
fn private(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn private(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}
