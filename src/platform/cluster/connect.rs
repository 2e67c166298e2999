//! The way to a cluster: the kubeconfig, its contexts, and a client that is made when it is first needed.

use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use kube::{
    Client, Config,
    config::{ExecInteractiveMode, KubeConfigOptions, Kubeconfig, KubeconfigError},
};
use tokio::{
    sync::{Mutex, oneshot},
    time,
};
use tower::BoxError;

use super::transport;
use crate::{
    domain::text::clean,
    platform::{Environment, Error, OpenError, http::Meter},
};

/// Which cluster, and where in it to look.
#[derive(Clone, Debug)]
pub struct Options {
    /// The kubeconfig, or several as `KUBECONFIG` lists them; what kubectl would use where it is none.
    pub kubeconfig: Option<PathBuf>,
    /// Whether kubectl would take another one, unless it is told.
    pub own_kubeconfig: bool,
    /// Another context than the current one.
    pub context: Option<String>,
    /// Another namespace than the context's.
    pub namespace: Option<String>,
    /// Whom to act as, and in which groups, as `kubectl --as` does.
    pub impersonate: Option<(String, Vec<String>)>,
    /// How long an answer may take to begin, and each of its parts to come.
    pub timeout: Duration,
    /// The directory for what was seen of revisions, which the cluster does not keep.
    pub state: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            own_kubeconfig: false,
            context: None,
            namespace: None,
            impersonate: None,
            timeout: crate::platform::http::TIMEOUT,
            state: None,
        }
    }
}

impl Options {
    /// The variable that names the kubeconfig.
    pub const KUBECONFIG: &'static str = "KUBECONFIG";
    /// The variable that names whom to act as.
    pub const AS: &'static str = "REVDECK_AS";
    /// The variable that names the groups of whom to act as, with commas.
    pub const AS_GROUP: &'static str = "REVDECK_AS_GROUP";

    /// Context and namespace of a location. The names of contexts on EKS hold colons and slashes: the last part is the
    /// namespace.
    pub fn parts(location: &str) -> (&str, Option<&str>) {
        match location.rsplit_once('/') {
            Some((context, namespace)) if !context.starts_with("arn:") => {
                (context, Some(namespace))
            }
            _ => (location, None),
        }
    }

    /// Those of a location such as `CONTEXT/NAMESPACE` in an environment.
    ///
    /// # Errors
    /// Where the environment names groups and nobody who is in them.
    pub fn read(location: Option<&str>, environment: &Environment) -> Result<Self, OpenError> {
        let (context, namespace) = match location.map(Self::parts) {
            Some((context, namespace)) => (Some(context), namespace),
            None => (None, None),
        };
        let named = environment.variable(Self::KUBECONFIG).map(PathBuf::from);
        let usual = || environment.home().map(|home| home.join(".kube/config"));
        let groups = environment.variable(Self::AS_GROUP).unwrap_or_default().split(',');
        let groups = groups.map(str::trim).filter(|group| !group.is_empty()).map(str::to_owned);
        let groups: Vec<_> = groups.collect();
        let name = environment.variable(Self::AS).filter(|name| !name.is_empty());
        if name.is_none() && !groups.is_empty() {
            return Err(OpenError::login("--as-group names groups of nobody: say --as USER, too"));
        }
        Ok(Self {
            own_kubeconfig: environment.own(Self::KUBECONFIG).is_some(),
            kubeconfig: named.or_else(|| usual().filter(|file| file.exists())),
            context: context.map(str::to_owned),
            namespace: namespace.map(str::to_owned),
            impersonate: name.map(|name| (name.to_owned(), groups)),
            state: environment.state().cloned(),
            ..Self::default()
        })
    }
}

/// A context of a kubeconfig, and the client for it.
pub(in crate::platform) struct Connection {
    kubeconfig: Option<Kubeconfig>,
    /// The files that it was read from, where they were named.
    pub(in crate::platform) files: Option<PathBuf>,
    /// What `KUBECONFIG` must say for kubectl to use the same login, where it would take another one.
    pub(in crate::platform) own_file: Option<PathBuf>,
    pub(in crate::platform) context: String,
    pub(in crate::platform) api: String,
    pub(in crate::platform) user: String,
    /// What is looked at where nothing else is named, or nothing else may be seen.
    pub(in crate::platform) namespace: String,
    /// Neither the operator nor the context names a namespace: all of them are meant.
    pub(in crate::platform) everywhere: bool,
    pub(in crate::platform) insecure: bool,
    /// Whom it acts as, and in which groups.
    pub(in crate::platform) impersonated: Option<(String, Vec<String>)>,
    /// The command of an exec plugin.
    plugin: Option<String>,
    pub(in crate::platform) timeout: Duration,
    pub(in crate::platform) meter: Meter,
    client: Mutex<Held>,
}

type Making = oneshot::Receiver<Result<Client, BoxError>>;

/// The client once it is made, and its making while that goes on: a plugin that hangs is not started twice.
#[derive(Default)]
struct Held {
    client: Option<Client>,
    making: Option<Making>,
}

/// Merges the files of a list as kubectl does: the first to say something wins, and one that is missing is passed over
/// where there is another.
fn read_files(list: &Path) -> Result<Kubeconfig, KubeconfigError> {
    let files: Vec<_> =
        env::split_paths(list).filter(|file| !file.as_os_str().is_empty()).collect();
    let there: Vec<_> = files.iter().filter(|file| file.exists()).collect();
    let read = if there.is_empty() { files.iter().take(1).collect() } else { there };
    read.into_iter().try_fold(Kubeconfig::default(), |all, file| {
        let mut all = all.merge(Kubeconfig::read_from(file)?)?;
        // An empty value is none: the next file may have one.
        all.current_context = all.current_context.filter(|name| !name.is_empty());
        Ok(all)
    })
}

/// Who acts, in words.
fn acting(login: String, options: &Options) -> String {
    match &options.impersonate {
        Some((name, _)) => format!("{name} (as {login})"),
        None => login,
    }
}

impl Connection {
    /// Reads the kubeconfig, or the service account in a Pod; speaks to nobody and runs nothing yet.
    pub(in crate::platform) fn open(options: &Options) -> Result<Self, OpenError> {
        let bad = |why: String| {
            OpenError::login(format!(
                "the kubeconfig cannot be used: {}. See `kubectl config view`, or try `revdeck demo`",
                clean(&why)
            ))
        };
        let read = match &options.kubeconfig {
            Some(files) => read_files(files),
            None => Kubeconfig::read(),
        };
        let mut kubeconfig = match read {
            Ok(kubeconfig) => kubeconfig,
            Err(error) => {
                if options.kubeconfig.is_none()
                    && let Ok(config) = Config::incluster()
                {
                    return Ok(Self::in_cluster(&config, options));
                }
                return Err(bad(error.to_string()));
            }
        };
        let named = options.context.clone().or_else(|| kubeconfig.current_context.clone());
        let Some(context) = named.filter(|name| !name.is_empty()) else {
            return Err(bad(
                "it names no current context: say which one, or `kubectl config use-context CONTEXT`".to_owned()
            ));
        };
        let known: Vec<_> = kubeconfig.contexts.iter().map(|one| one.name.clone()).collect();
        let found = kubeconfig.contexts.iter().find(|one| one.name == context);
        let Some(inner) = found.and_then(|one| one.context.clone()) else {
            return Err(bad(format!(
                "there is no context {context:?}; there are {}",
                known.join(", ")
            )));
        };
        let user = inner.user.clone().unwrap_or_default();
        let cluster = kubeconfig.clusters.iter().find(|one| one.name == inner.cluster);
        let cluster = cluster.and_then(|one| one.cluster.as_ref());
        let Some(api) = cluster.and_then(|cluster| cluster.server.clone()) else {
            return Err(bad(format!(
                "the cluster {:?} of context {context:?} names no server",
                inner.cluster
            )));
        };
        let insecure =
            cluster.and_then(|cluster| cluster.insecure_skip_tls_verify).unwrap_or(false);
        let mut plugin = None;
        for one in &mut kubeconfig.auth_infos {
            // A plugin that asks would take the screen: it must answer by itself, or say why not.
            if let Some(exec) = one.auth_info.as_mut().and_then(|info| info.exec.as_mut()) {
                exec.interactive_mode = Some(ExecInteractiveMode::Never);
                if one.name == user {
                    plugin.clone_from(&exec.command);
                }
            }
        }
        let namespace = options.namespace.clone().or(inner.namespace);
        let namespace = namespace.filter(|name| !name.is_empty());
        Ok(Self {
            kubeconfig: Some(kubeconfig),
            files: options.kubeconfig.clone(),
            own_file: options.kubeconfig.clone().filter(|_| options.own_kubeconfig),
            context,
            api: api.trim_end_matches('/').to_owned(),
            user: acting(user, options),
            impersonated: options.impersonate.clone(),
            everywhere: namespace.is_none(),
            namespace: namespace.unwrap_or_else(|| "default".to_owned()),
            insecure,
            plugin,
            timeout: options.timeout,
            meter: Meter::default(),
            client: Mutex::default(),
        })
    }

    fn in_cluster(config: &Config, options: &Options) -> Self {
        Self {
            kubeconfig: None,
            files: None,
            own_file: None,
            context: "in-cluster".to_owned(),
            api: config.cluster_url.to_string().trim_end_matches('/').to_owned(),
            user: acting("service account".to_owned(), options),
            namespace: options
                .namespace
                .clone()
                .unwrap_or_else(|| config.default_namespace.clone()),
            everywhere: false,
            insecure: false,
            impersonated: options.impersonate.clone(),
            plugin: None,
            timeout: options.timeout,
            meter: Meter::default(),
            client: Mutex::default(),
        }
    }

    /// The context as the kubeconfig names it; `None` in a Pod, which has none.
    pub(in crate::platform) fn named(&self) -> Option<&str> {
        self.kubeconfig.as_ref().map(|_| self.context.as_str())
    }

    /// The flags by which kubectl uses the same context, and acts as this login does.
    pub(in crate::platform) fn kubectl_flags(&self) -> Vec<String> {
        let mut flags = Vec::new();
        let mut add = |name: &str, value: &str| flags.extend([name.to_owned(), value.to_owned()]);
        if let Some(context) = self.named() {
            add("--context", context);
        }
        if let Some((name, groups)) = &self.impersonated {
            add("--as", name);
            for group in groups {
                add("--as-group", group);
            }
        }
        flags
    }

    /// The client, made at first use: that may run a plugin, which takes its time.
    pub(in crate::platform) async fn client(&self) -> Result<Client, Error> {
        let mut held = self.client.lock().await;
        if let Some(client) = &held.client {
            return Ok(client.clone());
        }
        let mut making = match held.making.take() {
            Some(making) => making,
            None => self.begin().await?,
        };
        // A plugin may speak to somebody first.
        let timeout = self.timeout * 2;
        let Ok(made) = time::timeout(timeout, &mut making).await else {
            held.making = Some(making);
            return Err(self.login(&format!("it has not answered in {}s", timeout.as_secs())));
        };
        let client = made
            .map_err(|error| self.login(&error.to_string()))?
            .map_err(|error| self.login(&crate::platform::http::causes(&*error)))?;
        held.client = Some(client.clone());
        Ok(client)
    }

    /// Begins to make a client, on a thread that may wait: nobody waits for those when the program ends.
    async fn begin(&self) -> Result<Making, Error> {
        let mut config = match &self.kubeconfig {
            None => Config::incluster().map_err(|error| self.login(&error.to_string()))?,
            Some(kubeconfig) => {
                let options =
                    KubeConfigOptions { context: Some(self.context.clone()), ..Default::default() };
                let config = Config::from_custom_kubeconfig(kubeconfig.clone(), &options).await;
                config.map_err(|error| self.login(&error.to_string()))?
            }
        };
        if let Some((name, groups)) = &self.impersonated {
            config.auth_info.impersonate = Some(name.clone());
            config.auth_info.impersonate_groups =
                Some(groups.clone()).filter(|groups| !groups.is_empty());
        }
        let ping = self.timeout / 3;
        let (made, making) = oneshot::channel();
        tokio::task::spawn_blocking(move || {
            // Fails only where a provider has been installed before, which is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
            // Nobody may listen any more.
            let _ = made.send(transport::client(&config, ping));
        });
        Ok(making)
    }

    /// Forgets the client: the next one logs in anew.
    pub(in crate::platform) async fn forget(&self) {
        *self.client.lock().await = Held::default();
    }

    /// The login does not work, and how to get one that does.
    pub(in crate::platform) fn login(&self, why: &str) -> Error {
        let command = match &self.plugin {
            Some(plugin) => format!("{plugin} (the exec plugin of context {})", self.context),
            None => format!("kubectl --context {} get namespaces", self.context),
        };
        Error::Login { api: self.api.clone(), why: clean(why), command }
    }
}
