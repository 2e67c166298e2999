//! A shell in an instance.

use super::text::quoted;

/// The command that opens a shell in an instance: a program of the platform, to which the terminal is handed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shell {
    /// The program, looked for on the `PATH`.
    pub program: &'static str,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Variables that it needs besides those that revdeck was started with.
    pub environment: Vec<(String, String)>,
}

impl Shell {
    /// The command as somebody would type it.
    pub fn line(&self) -> String {
        let words = self.arguments.iter().map(|word| quoted(word));
        std::iter::once(self.program.to_owned()).chain(words).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_can_be_typed() {
        let arguments = ["exec", "-it", "a pod", "--", "sh", "-c", "exec bash || exec sh"];
        let arguments = arguments.map(str::to_owned).to_vec();
        let shell = Shell { program: "kubectl", arguments, environment: Vec::new() };
        assert_eq!(shell.line(), "kubectl exec -it 'a pod' -- sh -c 'exec bash || exec sh'");
    }
}
