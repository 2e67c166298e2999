//! What the login may do: by the version of the API, and by its role in a space.

use jiff::SignedDuration;

use crate::domain::{AppId, Capabilities, Capability, VERBS, Verb};
use crate::platform::{
    Error,
    cloud_foundry::{
        foundation::{ApiInfo, CloudFoundry},
        login::token::claims,
        model::wire::{self, Page},
        options::{NO_PAUSE, NOT_APPLIED, NOTHING_HELD},
    },
    sync::lock,
};

/// How long a role is believed.
const BELIEVED: SignedDuration = SignedDuration::from_mins(5);

impl CloudFoundry {
    /// What can be done at all.
    pub(in crate::platform::cloud_foundry) fn capable(api_info: &ApiInfo) -> Capabilities {
        let since = |major, minor, what: &str| {
            Self::lacks(api_info, major, minor, what).map_or(Capability::Yes, Capability::No)
        };
        Capabilities::all()
            .with(Verb::RollBack, since(3, 66, "roll back to a revision"))
            .with(Verb::Deploy, since(3, 44, "rolling deployments"))
            .with(Verb::Cancel, since(3, 57, "cancelling of deployments"))
            .with(Verb::Continue, since(3, 173, "canary deployments"))
            .without(Verb::Pause, NO_PAUSE)
            .with(Verb::Restart, since(3, 44, "rolling deployments"))
            .without(Verb::Release, NOTHING_HELD)
            .without(Verb::Reconcile, NOT_APPLIED)
            .with(Verb::EnableRevisions, since(3, 65, "switch for revisions"))
    }

    /// What can be done with an app: nothing where the role only reads (`ROLES_FOR_APP_MANAGING` of Cloud Controller's
    /// `permissions.rb` are developer and supporter). What is not known is left to the platform to refuse.
    pub(in crate::platform::cloud_foundry) async fn allowed(
        &self,
        app: &AppId,
    ) -> Result<Capabilities, Error> {
        let all = Self::capable(&self.api_info().await?);
        Ok(match self.reads_only(app).await {
            Ok(Some(why)) => VERBS.iter().fold(all, |all, spec| match all.reason(spec.verb) {
                Some(_) => all,
                None => all.without(spec.verb, why.clone()),
            }),
            Ok(None) | Err(_) => all,
        })
    }

    /// Why nothing can be changed in the space of an app, by the roles of the login there.
    async fn reads_only(&self, app: &AppId) -> Result<Option<String>, Error> {
        let tokens = self.session.tokens.access.clone();
        let Some(claims) = claims(&tokens) else { return Ok(None) };
        // Scopes of the whole foundation need no role, and a client has none.
        let Some(user) = claims.user_id else { return Ok(None) };
        if claims.scope.iter().any(|scope| scope == "cloud_controller.admin") {
            return Ok(None);
        }
        let known = lock(&self.spaces).get(app.as_str()).cloned();
        let space = match known {
            Some(space) => space,
            None => {
                let own: wire::App = self.http.get(&format!("/v3/apps/{app}"), &[]).await?;
                let Some(space) = own.relationships.space.guid() else { return Ok(None) };
                lock(&self.spaces).insert(app.as_str().to_owned(), space.to_owned());
                space.to_owned()
            }
        };
        let now = (self.now)();
        let known = lock(&self.roles).get(&space).cloned();
        if let Some((why, _)) = known.filter(|(_, at)| now.duration_since(*at).abs() < BELIEVED) {
            return Ok(why);
        }
        let query =
            [("user_guids", user), ("space_guids", space.clone()), ("per_page", "50".to_owned())];
        let held: Page<wire::Role> = self.http.get("/v3/roles", &query).await?;
        let held: Vec<_> = held.resources.iter().map(|role| role.kind.as_str()).collect();
        let manages = held.iter().any(|role| ["space_developer", "space_supporter"].contains(role));
        // Where none is told, it may come from elsewhere.
        let why = (!held.is_empty() && !manages).then(|| {
            format!(
                "this login is {} of this space, which only reads: ask for Space Developer or Space Supporter",
                held.iter().map(|role| called(role)).collect::<Vec<_>>().join(" and ")
            )
        });
        lock(&self.roles).insert(space, (why.clone(), now));
        Ok(why)
    }

    /// Forgets what was answered: somebody may have been given more since.
    pub(in crate::platform::cloud_foundry) fn ask_roles_anew(&self) {
        lock(&self.roles).clear();
    }
}

/// A role as people call it: `Space Auditor`.
fn called(role: &str) -> String {
    let words = role.split('_').map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    });
    words.collect::<Vec<_>>().join(" ")
}
