//! Names for people: numbers of revisions, and an app by what a user calls it.

use futures_util::future::join_all;

use crate::platform::cloud_foundry::{
    foundation::CloudFoundry,
    model::wire,
    read::convert,
    read::history::why_stuck,
    read::overview::{Base, places},
};
use crate::{
    domain::{self, AppState, Scope, Side, text::clean},
    platform::Error,
};

/// How many deployed revisions are looked up one by one, at most.
const FEW: usize = 25;
/// How many apps that are stuck are read one by one.
const STUCK: usize = 5;

impl CloudFoundry {
    /// Looks up the labels of deployed revisions that no list has told, as long as they are few.
    pub(in crate::platform::cloud_foundry) async fn learn_few(&self, apps: &mut [domain::App]) {
        fn unnamed(app: &mut domain::App) -> Option<&mut domain::RevisionRef> {
            app.deployed.as_mut().filter(|of| of.label.is_none())
        }
        let few: Vec<_> = apps.iter_mut().filter_map(unnamed).take(FEW).collect();
        let labels = join_all(few.iter().map(|of| {
            let guid = of.id.as_str().to_owned();
            async move { self.label(&guid).await }
        }));
        for (of, label) in few.into_iter().zip(labels.await) {
            of.label = label;
        }
        for app in apps {
            if let Some(rollout) = &mut app.rollout {
                rollout.from.clone_from(&app.deployed);
            }
        }
    }

    /// Reads anew, one by one, what is stuck: why it is no list tells. As long as they are few.
    pub(in crate::platform::cloud_foundry) async fn explain_few(&self, apps: &mut [domain::App]) {
        let stuck = |app: &&mut domain::App| {
            app.rollout.as_ref().is_some_and(|rollout| rollout.stuck.is_some())
        };
        let few: Vec<_> = apps.iter_mut().filter(stuck).take(STUCK).collect();
        let read = join_all(few.iter().map(|app| self.find(app.id.as_str()))).await;
        for (app, read) in few.into_iter().zip(read) {
            // What cannot be read is as the list has it.
            if let Ok(read) = read {
                *app = read;
            }
        }
    }

    /// Counts the instances of apps that no list has told, as older APIs do not, as long as they are few.
    pub(in crate::platform::cloud_foundry) async fn count_few(&self, apps: &mut [domain::App]) {
        let unknown = |app: &&mut domain::App| {
            app.rollout.is_none() && app.state == AppState::Unknown && app.instances.desired > 0
        };
        let few: Vec<_> = apps.iter_mut().filter(unknown).take(FEW).collect();
        let read = few.iter().map(|app| {
            let path = format!("/v3/apps/{}/processes/web/stats", app.id);
            async move { self.http.get::<wire::Stats>(&path, &[]).await }
        });
        let (read, now) = (join_all(read).await, (self.now)());
        for (app, read) in few.into_iter().zip(read) {
            let Ok(read) = read else { continue };
            let desired = app.instances.desired;
            let side = Side { desired, instances: Some(convert::stats(&read, now)) };
            app.instances = side.count();
            app.state = AppState::judge(app.instances);
            let broken = matches!(app.state, AppState::Degraded | AppState::Down);
            app.serving = broken.then_some(side);
        }
    }

    /// The number of a revision.
    pub(in crate::platform::cloud_foundry) async fn label(&self, guid: &str) -> Option<String> {
        if let Some(label) = self.labels().get(guid) {
            return Some(label.clone());
        }
        let revision: wire::Revision =
            self.http.get(&format!("/v3/revisions/{guid}"), &[]).await.ok()?;
        let label = revision.version.to_string();
        self.learn(guid, label.clone());
        Some(label)
    }

    /// One app by name, `space/name`, `org/space/name` or GUID.
    pub(in crate::platform::cloud_foundry) async fn find(
        &self,
        name: &str,
    ) -> Result<domain::App, Error> {
        let api_info = self.api_info().await?;
        let bare = name.rsplit('/').next().unwrap_or(name);
        let include = ("include", "space.organization".to_owned());
        let mut query = vec![("names", bare.replace(',', "%2C")), include.clone()];
        if !name.contains('/') {
            query.extend(Self::filter(&api_info, &Scope::Home));
        }
        let (mut apps, mut included) = self.all_with::<wire::App>("/v3/apps", query).await?;
        if apps.is_empty() && looks_like_guid(name) {
            let query = vec![("guids", name.to_owned()), include];
            (apps, included) = self.all_with("/v3/apps", query).await?;
        }
        let spaces = places(&included);
        let place = |app: &wire::App| {
            app.relationships
                .space
                .guid()
                .and_then(|guid| spaces.get(guid))
                .cloned()
                .unwrap_or_default()
        };
        if name.contains('/') {
            apps.retain(|app| {
                format!("/{}/{}", place(app), app.name).ends_with(&format!("/{name}"))
            });
        }
        if apps.len() > 1 {
            let all: Vec<_> =
                apps.iter().map(|app| clean(&format!("{}/{}", place(app), app.name))).collect();
            return Err(Error::NotFound {
                what: format!("{name:?} names several apps: say which of {}", all.join(", ")),
            });
        }
        let Some(app) = apps.into_iter().next() else {
            let place = Self::scope_label(&api_info, &Scope::Home);
            return Err(Error::NotFound {
                what: format!(
                    "there is no app {:?} in {place}; `revdeck apps` lists them, ORG/SPACE/APP names one elsewhere",
                    clean(name)
                ),
            });
        };
        let scope = place(&app);
        let mut one = self.rolling(vec![Base::read(&app, scope)]).await?;
        self.learn_few(&mut one).await;
        self.count_few(&mut one).await;
        let stuck = |app: &&mut domain::App| app.condition() == domain::Condition::Stuck;
        for app in one.iter_mut().filter(stuck) {
            let crash = self.crash_reason(app.id.as_str()).await;
            if let (Some((reason, _)), Some(rollout)) = (crash, &mut app.rollout) {
                let why = why_stuck(rollout, Some(&reason));
                rollout.stuck = rollout.stuck.take().map(|stuck| domain::Stuck { why, ..stuck });
            }
        }
        one.pop().ok_or_else(|| Error::NotFound { what: "the app is gone".to_owned() })
    }
}

fn looks_like_guid(text: &str) -> bool {
    text.len() == 36 && text.chars().all(|letter| letter.is_ascii_hexdigit() || letter == '-')
}
