//! The command for a shell in an instance: `cf ssh`.

use crate::{
    domain::{AppId, InstanceState, Shell, text::clean},
    platform::{
        Error,
        cloud_foundry::{foundation::CloudFoundry, login::session::Session, model::wire},
    },
};

impl CloudFoundry {
    /// `cf ssh` reaches the newest process of a type alone, in the space that the cf CLI looks at, where space and app
    /// allow it (cf CLI 8, `command/v7/ssh_command.go`; `GET /v3/apps/:guid/ssh_enabled`).
    pub(in crate::platform::cloud_foundry) async fn shell_in(
        &self,
        app: &AppId,
        instance: &str,
    ) -> Result<Shell, Error> {
        let refused = |what: String| Err(Error::Refused { what });
        let guid = app.as_str();
        let (own, allowed) = (format!("/v3/apps/{guid}"), format!("/v3/apps/{guid}/ssh_enabled"));
        let (app, reading, processes, allowed) = tokio::join!(
            self.http.get::<wire::App>(&own, &[]),
            self.reading(app),
            self.processes_of(guid, false),
            self.http.get::<wire::SshEnabled>(&allowed, &[]),
        );
        let (app, reading) = (app?, reading?);
        let one = reading.find(instance).map_err(|what| Error::Refused { what })?;
        let (process, index) = one.id.rsplit_once('/').unwrap_or((&one.id, "0"));
        let label = one.instance.name.as_deref().unwrap_or("web");
        let kind = label.split('/').next().unwrap_or("web");
        if one.instance.state != InstanceState::Running {
            return refused(format!("{label} is {}: no shell in it", one.instance.state.word()));
        }
        // An API that does not tell has it found out by `cf ssh` itself.
        if let Ok(wire::SshEnabled { enabled: false, reason }) = allowed {
            return refused(format!("no ssh into {}: {}", clean(&app.name), clean(&reason)));
        }
        let newest = processes?.into_iter().filter(|one| one.kind == kind);
        let newest = newest.max_by_key(|one| one.created_at).map(|one| one.guid);
        if newest.as_deref() != Some(process) {
            return refused(format!(
                "`cf ssh` reaches the newest {kind} process alone, and {label} is of an older one"
            ));
        }
        // It reads its session when it runs, which may be another one by now.
        let present = Session::read(&self.session.file)
            .map_err(|error| Error::Refused { what: error.to_string() })?;
        let name = clean(&app.name);
        if present.api != self.session.api {
            return refused(format!(
                "the cf CLI is logged in at {} now, and {name} is at {}: `cf login -a {}` first",
                clean(&present.api),
                self.session.api,
                self.session.api
            ));
        }
        let space = present.space.as_ref();
        if app.relationships.space.guid() != space.map(|(guid, _)| guid.as_str()) {
            return refused(format!(
                "`cf ssh` reaches apps of the space that the cf CLI looks at, and {name} is in another one: `cf target -o ORG -s SPACE` first"
            ));
        }
        let arguments = ["ssh", &app.name, "--process", kind, "-i", index];
        let home = self.session.file.parent().and_then(std::path::Path::parent);
        let environment = home.map(|home| ("CF_HOME".to_owned(), home.display().to_string()));
        Ok(Shell {
            program: "cf",
            arguments: arguments.map(str::to_owned).to_vec(),
            environment: environment.into_iter().collect(),
        })
    }
}
