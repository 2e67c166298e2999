//! The command for a shell in a Pod: `kubectl exec`.

use crate::{
    domain::{AppId, InstanceState, Shell},
    platform::{Error, kubernetes::cluster::Cluster},
};

/// What is run there: the better shell, where the image has one. An `exec` that fails ends a shell that is not interactive
/// (POSIX, 2.8.1), so it is looked for first.
const ANY: &str = "command -v bash >/dev/null 2>&1 && exec bash; exec sh";

impl Cluster {
    pub(in crate::platform::kubernetes) async fn shell_in(
        &self,
        app: &AppId,
        instance: &str,
    ) -> Result<Shell, Error> {
        let address = self.address(app)?;
        let reading = self.reading(app).await?;
        let one = reading.find(instance).map_err(|what| Error::Refused { what })?;
        // One that is not ready runs, too, and is the one to look into.
        if !matches!(one.instance.state, InstanceState::Running | InstanceState::NotReady) {
            let (name, state) = (&one.id, one.instance.state.word());
            return Err(Error::Refused { what: format!("{name} is {state}: no shell in it") });
        }
        let mut arguments = self.connection.kubectl_flags();
        let words = ["-n", &address.namespace, "exec", "-it", &one.id, "--", "sh", "-c", ANY];
        arguments.extend(words.map(str::to_owned));
        let files = self.connection.files.as_ref();
        let environment = files.map(|list| ("KUBECONFIG".to_owned(), list.display().to_string()));
        Ok(Shell { program: "kubectl", arguments, environment: environment.into_iter().collect() })
    }
}
