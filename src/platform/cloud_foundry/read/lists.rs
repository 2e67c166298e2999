//! Lists in few, large requests, and what of a foundation is asked once.

use serde::de::DeserializeOwned;

use crate::platform::cloud_foundry::{
    foundation::ApiInfo,
    foundation::CloudFoundry,
    model::wire::{self, Page},
};
use crate::{
    domain::{Scope, text::clean},
    platform::Error,
};

/// The largest page that the API gives.
const LARGE: u32 = 5_000;

/// Query parameters.
pub(in crate::platform::cloud_foundry) type Query<'a> = Vec<(&'a str, String)>;

impl CloudFoundry {
    /// What is asked once: the version of the API, and the GUIDs of an org and space that were given by name.
    pub(in crate::platform::cloud_foundry) async fn api_info(&self) -> Result<ApiInfo, Error> {
        let api_info = self.api_info.get_or_try_init(|| async {
            let root: wire::Root = self.http.get("/", &[]).await?;
            let version = root.links.cloud_controller_v3.and_then(|link| link.meta.version);
            let log_cache = root.links.log_cache.and_then(|link| link.href);
            let (mut org, mut space) = (self.session.org.clone(), self.session.space.clone());
            if let Some(name) = &self.wanted.0 {
                org = Some(self.id_and_name("organizations", name, &[]).await?);
                space = None;
            }
            if let Some(name) = &self.wanted.1 {
                let filter: Query<'_> =
                    org.iter().map(|(guid, _)| ("organization_guids", guid.clone())).collect();
                space = Some(self.id_and_name("spaces", name, &filter).await?);
            }
            let log_cache = log_cache.unwrap_or_else(|| self.session.log_cache.clone());
            let log_cache = log_cache.trim_end_matches('/').to_owned();
            Ok(ApiInfo { version, log_cache, org, space })
        });
        api_info.await.cloned()
    }

    async fn id_and_name(
        &self,
        kind: &str,
        name: &str,
        filter: &[(&str, String)],
    ) -> Result<(String, String), Error> {
        let mut query: Query<'_> = vec![("names", name.replace(',', "%2C"))];
        query.extend_from_slice(filter);
        let page: Page<wire::Named> = self.http.get(&format!("/v3/{kind}"), &query).await?;
        page.resources.into_iter().next().map(|one| (one.guid, clean(&one.name))).ok_or_else(|| {
            let what = kind.trim_end_matches('s');
            Error::NotFound {
                what: format!(
                    "there is no {what} {name:?} at {}, or this login may not see it",
                    self.session.api
                ),
            }
        })
    }

    /// All pages of a list.
    pub(in crate::platform::cloud_foundry) async fn all<T: DeserializeOwned>(
        &self,
        path: &str,
        query: Query<'_>,
    ) -> Result<Vec<T>, Error> {
        Ok(self.all_with(path, query).await?.0)
    }

    pub(in crate::platform::cloud_foundry) async fn all_with<T: DeserializeOwned>(
        &self,
        path: &str,
        mut query: Query<'_>,
    ) -> Result<(Vec<T>, wire::Included), Error> {
        query.push(("per_page", LARGE.to_string()));
        let mut page: Page<T> = self.http.get(path, &query).await?;
        let (mut items, mut included) = (page.resources, page.included);
        // A page that leads to itself would never end.
        let mut left = page.pagination.total_results / u64::from(LARGE) + 1;
        while let Some(next) = page.pagination.next.filter(|_| left > 0) {
            left -= 1;
            // Only the path is taken: the login goes to no host but that of the session.
            let next = next.href.find("/v3/").and_then(|at| next.href.get(at..));
            let Some(next) = next else { break };
            page = self.http.get(next, &[]).await?;
            items.extend(page.resources);
            included.spaces.extend(page.included.spaces);
            included.organizations.extend(page.included.organizations);
        }
        Ok((items, included))
    }

    /// The filter of a scope.
    pub(in crate::platform::cloud_foundry) fn filter(
        api_info: &ApiInfo,
        scope: &Scope,
    ) -> Query<'static> {
        match (scope, &api_info.space, &api_info.org) {
            (Scope::Home, Some((guid, _)), _) => vec![("space_guids", guid.clone())],
            (Scope::Home | Scope::Organization, _, Some((guid, _))) => {
                vec![("organization_guids", guid.clone())]
            }
            _ => Vec::new(),
        }
    }

    /// Whether the API embeds instances into lists of processes.
    pub(in crate::platform::cloud_foundry) fn embeds(api_info: &ApiInfo) -> bool {
        Self::at_least(api_info.version.as_deref(), 3, 211) && api_info.version.is_some()
    }

    /// What a scope is called.
    pub(in crate::platform::cloud_foundry) fn scope_label(
        api_info: &ApiInfo,
        scope: &Scope,
    ) -> String {
        match (scope, &api_info.space, &api_info.org) {
            (Scope::Home, Some((_, space)), Some((_, org))) => format!("{org}/{space}"),
            (Scope::Home | Scope::Organization, _, Some((_, org))) => format!("{org}/*"),
            _ => "all".to_owned(),
        }
    }
}
