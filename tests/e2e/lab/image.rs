//! Images, made when a test first needs them and named by their recipe.

use super::{Engine, vai_binary};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::symlink;
use std::path::Path;
use tempfile::TempDir;

/// On every image made here, for pruning.
const LABEL: &str = "vai.e2e.image";
const BASE: &str = "debian:bookworm-slim";

/// What a container of the lab is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Image {
    /// A bare Debian; stands for any plain distribution image.
    Plain,
    /// Real redis-server, nginx (on 127.0.0.1:80 only) and supervisor, and
    /// `/usr/local/bin/worker.sh`.
    Services,
    /// `Services` without bash, perl, python, curl, wget, ps and pgrep.
    NoTools,
    /// What docker/ ships as the services-container.
    Shipped,
    /// Busybox alone, and scripts that sleep: made in a moment on any engine.
    Tiny,
    /// `vai` in an empty image.
    Vai,
}

impl Image {
    /// The name to run it by; made now if it is not there.
    pub(crate) fn name(self, engine: &Engine) -> String {
        let _one_at_a_time = lock();
        match self {
            Self::Plain => base(engine),
            Self::Tiny => tiny(engine),
            Self::Services => built(engine, "services", SERVICES),
            Self::NoTools => no_tools(engine),
            Self::Shipped => built(engine, "shipped", SHIPPED),
            Self::Vai => vai(engine),
        }
    }
}

fn base(engine: &Engine) -> String {
    const MAKES_IT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docker/bases");
    let made = engine.command(MAKES_IT).arg("debian").status();
    assert!(made.is_ok_and(|status| status.success()), "no {BASE}");
    BASE.to_owned()
}

/// Files of an image's build, by name.
type Files = &'static [(&'static str, &'static str)];

const SERVICES: Files = &[
    ("Dockerfile", include_str!("../images/services.Dockerfile")),
    ("site.conf", include_str!("../images/site.conf")),
    ("worker.sh", include_str!("../images/worker.sh")),
];

const SHIPPED: Files = &[
    ("Dockerfile", include_str!("../../../docker/services/Dockerfile")),
    ("nginx-site.conf", include_str!("../../../docker/services/nginx-site.conf")),
    ("syncthing.xml", include_str!("../../../docker/services/syncthing.xml")),
    ("worker.sh", include_str!("../../../docker/services/worker.sh")),
];

fn built(engine: &Engine, kind: &str, files: Files) -> String {
    ensure(engine, kind, &recipe(&(files, id_of(engine, &base(engine)))), |context| {
        for (name, content) in files {
            write(context, name, content.as_bytes());
        }
    })
}

fn no_tools(engine: &Engine) -> String {
    let services = built(engine, "services", SERVICES);
    let dockerfile = include_str!("../images/no-tools.Dockerfile")
        .replace("FROM vai-e2e/services", &format!("FROM {services}"));
    ensure(engine, "no-tools", &recipe(&(&dockerfile, id_of(engine, &services))), |context| {
        write(context, "Dockerfile", dockerfile.as_bytes());
    })
}

fn vai(engine: &Engine) -> String {
    let binary = fs::read(vai_binary()).expect("the binary can be read");
    ensure(engine, "vai", &recipe(&binary), |context| {
        write(context, "Dockerfile", b"FROM scratch\nCOPY vai /vai\nENTRYPOINT [\"/vai\"]\n");
        fs::copy(vai_binary(), context.join("vai")).expect("the binary can be copied");
    })
}

/// Builds `vai-e2e/<kind>:<recipe>` from the files that `fill` puts into an
/// empty folder, unless it is there already.
fn ensure(engine: &Engine, kind: &str, recipe: &str, fill: impl FnOnce(&Path)) -> String {
    let name = format!("vai-e2e/{kind}:{recipe}");
    let there = engine.try_docker(&["image", "inspect", &name].map(str::to_owned));
    if !there.status.success() {
        let context = TempDir::new().expect("a folder for the build");
        fill(context.path());
        let label = format!("{LABEL}={kind}");
        let folder = context.path().to_string_lossy();
        engine.docker(["build", "--quiet", "--label", &label, "--tag", &name, &folder]);
    }
    name
}

/// The commands of busybox that the tests and vai use.
const APPLETS: &[&str] =
    &["cat", "cut", "date", "echo", "kill", "mkdir", "rm", "sh", "sleep", "tail", "test", "touch"];
/// Scripts of the image, by name.
const SCRIPTS: Files = &[
    ("mayfly", include_str!("../images/mayfly.sh")),
    ("worker.sh", include_str!("../images/worker-tiny.sh")),
];
/// What the worker is known by.
const WORKERS: &[&str] = &["cache", "database", "gateway"];

fn tiny(engine: &Engine) -> String {
    let busybox = fs::read("/bin/busybox").expect("busybox-static is installed; tests/run does it");
    ensure(engine, "tiny", &recipe(&(&busybox, APPLETS, SCRIPTS, WORKERS)), |context| {
        let bin = context.join("bin");
        fs::create_dir(&bin).expect("the build's folder can be written");
        fs::copy("/bin/busybox", bin.join("busybox")).expect("busybox can be copied");
        for (name, script) in SCRIPTS {
            write_program(&bin, name, script.as_bytes());
        }
        let link = |name: &str, to: &str| symlink(to, bin.join(name)).expect("a link can be made");
        APPLETS.iter().for_each(|applet| link(applet, "busybox"));
        WORKERS.iter().for_each(|worker| link(worker, "worker.sh"));
        write(context, "Dockerfile", include_bytes!("../images/tiny.Dockerfile"));
    })
}

fn write(context: &Path, name: &str, content: &[u8]) {
    let mode = if name.ends_with(".sh") { 0o755 } else { 0o644 };
    write_with_mode(context, name, content, mode);
}

fn write_program(context: &Path, name: &str, content: &[u8]) {
    write_with_mode(context, name, content, 0o755);
}

fn write_with_mode(context: &Path, name: &str, content: &[u8], mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    let path = context.join(name);
    fs::write(&path, content).expect("the build's folder can be written");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("own files have modes");
}

fn recipe(of: &impl Hash) -> String {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

fn id_of(engine: &Engine, image: &str) -> String {
    engine.docker(["image", "inspect", "--format", "{{.Id}}", image])
}

/// Tests run in processes of their own; one builds, the others wait.
fn lock() -> File {
    let file = File::create(concat!(env!("CARGO_TARGET_TMPDIR"), "/images.lock"))
        .expect("the target folder can be written");
    file.lock().expect("a file can be locked");
    file
}
