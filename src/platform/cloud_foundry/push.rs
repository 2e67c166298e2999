//! From a directory or an image to a droplet: package, upload, staging.

use std::{
    collections::HashSet,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::TryStreamExt;
use ignore::WalkBuilder;
use reqwest::{Body, Method, multipart};
use secrecy::ExposeSecret;
use serde_json::json;
use tokio_util::io::ReaderStream;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::platform::cloud_foundry::{foundation::CloudFoundry, model::wire, read::convert};
use crate::{
    domain::{AppId, text::clean},
    platform::{
        Error,
        http::{UPLOAD_TIMEOUT, WriteError},
        operation::{Progress, ProgressLine, say},
    },
};

/// What the cf CLI never uploads.
const NEVER: [&str; 7] = [".cfignore", "_darcs", ".DS_Store", ".git", ".gitignore", ".hg", ".svn"];
/// What it does not upload from the top of the directory (`actor/sharedaction/resource.go`).
const NEVER_ON_TOP: [&str; 2] = ["manifest.yml", "manifest.yaml"];
/// How often an upload or a build is looked at.
const POLL: Duration = Duration::from_secs(2);
/// How long processing an upload or staging may take.
const PATIENCE: Duration = Duration::from_mins(15);

/// What a directory holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::platform::cloud_foundry) struct Size {
    pub(in crate::platform::cloud_foundry) files: u64,
    pub(in crate::platform::cloud_foundry) bytes: u64,
}

/// Why there is no droplet, in one sentence.
pub(in crate::platform::cloud_foundry) struct Failed(pub(in crate::platform::cloud_foundry) String);

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

impl From<WriteError> for Failed {
    fn from(error: WriteError) -> Self {
        // Packages and builds change nothing that runs: a lost answer leaves an unused one behind.
        match error {
            WriteError::NoEffect(error) | WriteError::Lost(error) => Self(error.to_string()),
        }
    }
}

/// Counts what would be uploaded.
pub(in crate::platform::cloud_foundry) async fn measure(directory: &Path) -> Result<Size, String> {
    let directory = directory.to_owned();
    let counted = tokio::task::spawn_blocking(move || {
        if !directory.is_dir() {
            return Err(format!("there is no directory {}", directory.display()));
        }
        let mut size = Size::default();
        for entry in entries(&directory).map_err(|error| error.to_string())? {
            if entry.kind != Entry::Directory {
                size.files += 1;
                size.bytes += entry.path.metadata().map(|metadata| metadata.len()).unwrap_or(0);
            }
        }
        if size.files == 0 {
            return Err(format!("the directory {} has no files to upload", directory.display()));
        }
        Ok(size)
    });
    counted.await.map_err(|error| error.to_string())?
}

/// What stands in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    File,
    Link,
    Directory,
}

#[derive(Debug)]
struct Found {
    path: PathBuf,
    kind: Entry,
}

/// What of a directory is uploaded: all but what `.cfignore` and the CLI leave out. Links stay links.
fn entries(directory: &Path) -> Result<Vec<Found>, ignore::Error> {
    let never: HashSet<_> = NEVER.into_iter().collect();
    let mut found = Vec::new();
    let walk = WalkBuilder::new(directory)
        .standard_filters(false)
        .add_custom_ignore_filename(".cfignore")
        .sort_by_file_name(Ord::cmp)
        .filter_entry(move |entry| {
            let left_out = |name: &str| {
                never.contains(name) || (entry.depth() == 1 && NEVER_ON_TOP.contains(&name))
            };
            !entry.file_name().to_str().is_some_and(left_out)
        })
        .build();
    for entry in walk {
        let entry = entry?;
        let kind = match entry.file_type() {
            Some(kind) if kind.is_file() => Entry::File,
            Some(kind) if kind.is_symlink() => Entry::Link,
            Some(kind) if kind.is_dir() && entry.depth() > 0 => Entry::Directory,
            _ => continue,
        };
        found.push(Found { path: entry.into_path(), kind });
    }
    Ok(found)
}

/// Zips a directory into a temporary file.
fn zip(directory: &Path) -> io::Result<tempfile::NamedTempFile> {
    let target = tempfile::NamedTempFile::new()?;
    let mut zip = ZipWriter::new(target.reopen()?);
    for Found { path, kind } in entries(directory).map_err(io::Error::other)? {
        let name =
            path.strip_prefix(directory).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .large_file(true)
            .unix_permissions(mode(&path));
        match kind {
            Entry::Directory => zip.add_directory(name, options).map_err(io::Error::other)?,
            Entry::Link => {
                let to = std::fs::read_link(&path)?;
                zip.add_symlink(name, to.to_string_lossy(), options).map_err(io::Error::other)?;
            }
            Entry::File => {
                zip.start_file(name, options).map_err(io::Error::other)?;
                io::copy(&mut File::open(&path)?, &mut zip)?;
            }
        }
    }
    zip.finish().map_err(io::Error::other)?;
    Ok(target)
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().map(|metadata| metadata.permissions().mode() & 0o777).unwrap_or(0o644)
}

#[cfg(not(unix))]
fn mode(_: &Path) -> u32 {
    0o755
}

/// `uploading [########............]  40% of 1.2 MB`
fn uploading(percent: u64, bytes: u64) -> String {
    let done = (percent / 5).min(20) as usize;
    let (full, left) = ("#".repeat(done), ".".repeat(20 - done));
    format!("uploading [{full}{left}] {percent:>3}% of {:.1} MB", bytes as f64 / 1e6)
}

impl CloudFoundry {
    /// Makes a droplet of a directory.
    pub(in crate::platform::cloud_foundry) async fn droplet_of_directory(
        &self,
        app: &str,
        directory: &Path,
        progress: &Progress,
    ) -> Result<String, Failed> {
        say(progress, format!("zipping {}", directory.display()));
        let from = directory.to_owned();
        let zipped = tokio::task::spawn_blocking(move || zip(&from)).await;
        let zipped = zipped.map_err(io::Error::other).and_then(|zipped| zipped);
        let zipped = zipped
            .map_err(|error| Failed(format!("cannot zip {}: {error}", directory.display())))?;
        let package = self.package(app, json!({ "type": "bits" })).await?;
        self.upload(&package, zipped.path(), progress).await?;
        self.await_package(&package).await?;
        self.stage(app, &package, progress).await
    }

    /// Makes a droplet of an image.
    pub(in crate::platform::cloud_foundry) async fn droplet_of_image(
        &self,
        app: &str,
        image: &str,
        username: Option<&str>,
        progress: &Progress,
    ) -> Result<String, Failed> {
        let mut data = json!({ "image": image });
        if let Some(username) = username {
            let password = self.docker_password.as_ref();
            data["username"] = username.into();
            data["password"] = password.map(ExposeSecret::expose_secret).into();
        }
        let package = self.package(app, json!({ "type": "docker", "data": data })).await?;
        self.stage(app, &package, progress).await
    }

    async fn package(&self, app: &str, mut body: serde_json::Value) -> Result<String, Failed> {
        body["relationships"] = json!({ "app": { "data": { "guid": app } } });
        let answer = self.http.write(Method::POST, "/v3/packages", Some(&body)).await?;
        Ok(self.http.decode::<wire::Package>("/v3/packages", &answer)?.guid)
    }

    async fn upload(&self, package: &str, file: &Path, progress: &Progress) -> Result<(), Failed> {
        let path = format!("/v3/packages/{package}/upload");
        let bytes = file.metadata().map_err(|error| Failed(error.to_string()))?.len();
        let unreadable = |error: &dyn std::fmt::Display| Error::NotFound {
            what: format!("the zip cannot be read: {error}"),
        };
        let make = || {
            let file = File::open(file).map_err(|error| unreadable(&error))?;
            let sent = Arc::new(AtomicU64::new(0));
            let progress = progress.clone();
            let mut last = 0;
            let stream = ReaderStream::with_capacity(tokio::fs::File::from_std(file), 64 * 1_024);
            let stream = stream.inspect_ok(move |chunk| {
                let sent =
                    sent.fetch_add(chunk.len() as u64, Ordering::Relaxed) + chunk.len() as u64;
                let percent = sent * 100 / bytes.max(1);
                if percent >= last + 5 || percent == 100 {
                    let line = ProgressLine { text: uploading(percent, bytes), replaces: last > 0 };
                    last = percent;
                    let _ = progress.send(line);
                }
            });
            let part = multipart::Part::stream_with_length(Body::wrap_stream(stream), bytes)
                .file_name("app.zip")
                .mime_str("application/zip")
                .map_err(|error| unreadable(&error))?;
            Ok(self
                .http
                .client()
                .post(self.http.url(&path))
                .multipart(multipart::Form::new().part("bits", part)))
        };
        self.http.write_with(&path, UPLOAD_TIMEOUT, make).await?;
        Ok(())
    }

    async fn await_package(&self, package: &str) -> Result<(), Failed> {
        let path = format!("/v3/packages/{package}");
        for _ in 0..PATIENCE.as_secs() / POLL.as_secs() {
            let package: wire::Package = self.http.get(&path, &[]).await?;
            match package.state.as_str() {
                "READY" => return Ok(()),
                "FAILED" | "EXPIRED" => {
                    let why = package.data.error.unwrap_or_else(|| "no reason given".to_owned());
                    return Err(Failed(format!("the upload was not taken: {}", clean(&why))));
                }
                _ => tokio::time::sleep(POLL).await,
            }
        }
        Err(Failed("the platform did not finish with the upload in 15 minutes".to_owned()))
    }

    /// Stages a package and returns the droplet, with the staging log as progress.
    async fn stage(&self, app: &str, package: &str, progress: &Progress) -> Result<String, Failed> {
        let began = (self.now)();
        let body = json!({ "package": { "guid": package } });
        let answer = self.http.write(Method::POST, "/v3/builds", Some(&body)).await?;
        let build = self.http.decode::<wire::Build>("/v3/builds", &answer)?.guid;
        let path = format!("/v3/builds/{build}");
        let mut shown = began;
        for _ in 0..PATIENCE.as_secs() / POLL.as_secs() {
            if let Ok(lines) = self.log_lines(&AppId::new(app)).await {
                for line in lines.iter().filter(|line| line.source == "STG" && line.at > shown) {
                    say(progress, format!("staging: {}", line.text));
                }
                shown = lines.iter().map(|line| line.at).max().unwrap_or(shown).max(shown);
            }
            let build: wire::Build = self.http.get(&path, &[]).await?;
            match build.state.as_str() {
                "STAGED" => {
                    let droplet = build.droplet.and_then(|droplet| droplet.guid);
                    return droplet.ok_or_else(|| Failed("staging gave no droplet".to_owned()));
                }
                "FAILED" => {
                    let why = build.error.unwrap_or_else(|| "no reason given".to_owned());
                    return Err(Failed(format!("staging failed: {}", clean(&why))));
                }
                _ => tokio::time::sleep(POLL).await,
            }
        }
        Err(Failed(format!("staging {} did not end in 15 minutes", convert::word(&build))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn cfignore_and_the_usual_suspects_stay_at_home() {
        let home = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = home.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        };
        for name in [
            "app.rb",
            "lib/a.rb",
            ".env",
            ".git/config",
            "log/x.log",
            ".cfignore",
            "manifest.yml",
            "manifest.yaml",
            "lib/manifest.yml",
        ] {
            write(name);
        }
        std::fs::write(home.path().join(".cfignore"), "*.log\n").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("app.rb", home.path().join("main.rb")).unwrap();
        #[cfg(not(unix))]
        write("main.rb");
        assert_eq!(measure(home.path()).await.unwrap(), Size { files: 5, bytes: 5 });
        let zipped = zip(home.path()).unwrap();
        let archive = zip::ZipArchive::new(zipped.reopen().unwrap()).unwrap();
        let mut names: Vec<_> = archive.file_names().map(Result::unwrap).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [".env", "app.rb", "lib/", "lib/a.rb", "lib/manifest.yml", "log/", "main.rb"]
        );
        assert!(measure(&home.path().join("none")).await.unwrap_err().contains("no directory"));
    }
}
