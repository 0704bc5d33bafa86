//! A Redis server for one test.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use redis::{Cmd, Connection, ConnectionAddr, FromRedisValue};
use redis_test::server::RedisServer as ServerProcess;
use redis_test::utils::TlsFilePaths;
use tempfile::TempDir;

use crate::leash::Leash;
use crate::signal::{self, Signal};
use crate::{certificates, port};

/// How long a server may take from its start to its first answer. It takes some ten milliseconds on a quiet
/// machine; this is for a busy one.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How long to wait between two looks at a server that starts.
const POLL: Duration = Duration::from_millis(5);

/// How long to wait for a port of our own that is taken.
const PORT_POLL: Duration = Duration::from_millis(100);

/// How often a port is tried: another one at the start, the same one at a restart.
const PORT_TRIES: u32 = 50;

/// How long a command of [`RedisServer::query`] may take: a paused server answers none.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// What a machine without Redis is told.
const NOT_INSTALLED: &str = "there is no redis-server on PATH, and these tests need one: \
    `cargo xtask redis` installs it or says how";

/// The server listens here too, in its own folder: who answers on it is this server and no other that was
/// quicker to take the port. It opens the socket after the port.
const SOCKET: &str = "control.sock";

/// A Redis server on loopback, on a port of its own, with a data folder of its own. It ends when this is
/// dropped, and also when the test's process is killed.
///
/// The default user may do everything and needs no password.
///
/// ```
/// use agentexec_testbed::RedisServer;
///
/// let mut server = RedisServer::builder().append_only().start();
/// let _: () = server.query(redis::cmd("SET").arg("k").arg("v"));
/// server.restart();
/// let kept: String = server.query(redis::cmd("GET").arg("k"));
/// assert_eq!(kept, "v");
/// ```
///
/// # Panics
///
/// Every method panics when Redis does not do as asked, with Redis's own log where that helps.
pub struct RedisServer {
    options: RedisServerBuilder,
    port: u16,
    /// `None` while killed. Above the folder, so that the server is gone before its files are.
    running: Option<Running>,
    home: TempDir,
    certificates: Option<TlsFilePaths>,
}

/// The leash is above the server: see there.
struct Running {
    _leash: Leash,
    server: ServerProcess,
}

/// The options of a [`RedisServer`]; without any it is a server that keeps nothing on disk.
#[derive(Debug, Clone, Default)]
pub struct RedisServerBuilder {
    args: Vec<String>,
    tls: bool,
    users: Vec<User>,
}

#[derive(Debug, Clone)]
struct User {
    name: String,
    password: String,
}

impl RedisServerBuilder {
    /// Keeps every write: an append-only file that is synced before each answer.
    #[must_use]
    pub fn append_only(self) -> Self {
        self.arg("appendonly", ["yes"]).arg("appendfsync", ["always"])
    }

    /// Limits the memory, in bytes, with what to do at the limit (for instance `noeviction`).
    #[must_use]
    pub fn max_memory(self, bytes: u64, policy: &str) -> Self {
        self.arg("maxmemory", [bytes.to_string().as_str()]).arg("maxmemory-policy", [policy])
    }

    /// Any other setting of `redis.conf`, for instance `.arg("cluster-enabled", ["yes"])`.
    #[must_use]
    pub fn arg<'a>(mut self, setting: &str, values: impl IntoIterator<Item = &'a str>) -> Self {
        self.args.push(format!("--{setting}"));
        self.args.extend(values.into_iter().map(str::to_owned));
        self
    }

    /// Speaks TLS alone on its port, with a certificate of an authority that only
    /// [`RedisServer::ca_path`] knows.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Adds a user who may do what the rules say, in the words of `ACL SETUSER` (`~key:* +get -@all …`); its
    /// address is [`RedisServer::url_of`]. Name and password are letters and digits, as they go into a URL.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str, rules: &str) -> Self {
        let plain = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric());
        assert!(plain(name) && plain(password), "a test user's name and password are letters and digits");
        self.users.push(User { name: name.to_owned(), password: password.to_owned() });
        let secret = format!(">{password}");
        self.arg("user", [name, "on", secret.as_str()].into_iter().chain(rules.split_whitespace()))
    }

    /// Starts the server and waits until it answers.
    ///
    /// # Panics
    ///
    /// When no `redis-server` is installed, and when it does not answer in time.
    #[must_use]
    pub fn start(self) -> RedisServer {
        let home = TempDir::with_prefix("agentexec-redis-").expect("a temporary folder");
        let certificates = self.tls.then(|| certificates::write_to(home.path()));
        let mut server = RedisServer { options: self, port: 0, running: None, home, certificates };
        for _ in 0..PORT_TRIES {
            server.port = port::candidate();
            if server.launch() {
                return server;
            }
        }
        panic!("{PORT_TRIES} ports in a row were taken");
    }
}

impl RedisServer {
    /// Starts a server without options.
    ///
    /// # Panics
    ///
    /// As [`RedisServerBuilder::start`].
    #[must_use]
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// A server with options.
    #[must_use]
    pub fn builder() -> RedisServerBuilder {
        RedisServerBuilder::default()
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Its URL, for the default user: `redis://127.0.0.1:PORT`, or `rediss://` with TLS.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(self.addr())
    }

    /// The URL by way of another address, that of a proxy before it.
    #[must_use]
    pub fn url_at(&self, addr: SocketAddr) -> String {
        format!("{}://{addr}", self.scheme())
    }

    /// Its URL for a user that [`RedisServerBuilder::user`] made.
    #[must_use]
    pub fn url_of(&self, user: &str) -> String {
        let known = self.options.users.iter().find(|known| known.name == user);
        let User { name, password } = known.unwrap_or_else(|| panic!("the server has no user `{user}`"));
        format!("{}://{name}:{password}@{}", self.scheme(), self.addr())
    }

    fn scheme(&self) -> &'static str {
        if self.options.tls { "rediss" } else { "redis" }
    }

    /// The certificate (PEM) of the authority that signed the server's.
    ///
    /// # Panics
    ///
    /// When the server was not started with [`tls`](RedisServerBuilder::tls).
    #[must_use]
    pub fn ca_path(&self) -> &Path {
        &self.certificates.as_ref().expect("a server without TLS has no certificate").ca_crt
    }

    /// The id of the server's process.
    ///
    /// # Panics
    ///
    /// After [`kill`](Self::kill), as it has none.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.running().server.process.id()
    }

    /// Sends one command as the default user, past any proxy and any TLS, for a test to look behind the
    /// store's back or to change a setting.
    pub fn query<T: FromRedisValue>(&self, command: &Cmd) -> T {
        let answer = connect(self.home.path()).and_then(|mut connection| command.query(&mut connection));
        answer.unwrap_or_else(|error| panic!("{self:?} refused a command: {error}"))
    }

    /// Kills the server with SIGKILL. [`restart`](Self::restart) starts it again.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Starts the server again, on the same port and the same data; a running one is killed first.
    pub fn restart(&mut self) {
        self.kill();
        // The port is in nobody's range, so whoever has it gives it back; see `port`.
        for _ in 0..PORT_TRIES {
            if self.launch() {
                return;
            }
            thread::sleep(PORT_POLL);
        }
        panic!("the port {} was taken while the server was down", self.port);
    }

    /// Stops the server's process with SIGSTOP: connections stay open and nothing is answered.
    pub fn pause(&self) {
        signal::stop(&self.running().server.process);
    }

    /// Lets a paused server go on.
    pub fn resume(&self) {
        signal::send(&self.running().server.process, Signal::CONT);
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("the Redis server was killed and not restarted")
    }

    /// Starts the process and waits for its first answer. False when the port is taken.
    fn launch(&mut self) -> bool {
        let running = self.running.insert(Running::start(
            self.port,
            self.certificates.clone(),
            self.home.path(),
            &self.options.args,
        ));
        let deadline = Instant::now() + START_LIMIT;
        while Instant::now() < deadline {
            if answers(self.home.path()) {
                return true;
            }
            if let Some(status) = running.server.process.try_wait().expect("looking at redis-server") {
                let log = running.log();
                assert!(log.contains("Address already in use"), "redis-server ended ({status}):\n{log}");
                self.running = None;
                return false;
            }
            thread::sleep(POLL);
        }
        panic!("redis-server gave no answer within {START_LIMIT:?}:\n{}", running.log());
    }
}

impl Running {
    fn start(port: u16, tls: Option<TlsFilePaths>, home: &Path, args: &[String]) -> Self {
        assert!(is_installed(), "{NOT_INSTALLED}");
        let host = Ipv4Addr::LOCALHOST.to_string();
        let addr = match tls {
            None => ConnectionAddr::Tcp(host, port),
            Some(_) => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
        };
        let socket = home.join(SOCKET);
        let paths = ["--dir".as_ref(), home, "--unixsocket".as_ref(), socket.as_path()];
        let spawn = |command: &mut Command| command.args(paths).args(args).spawn().expect(NOT_INSTALLED);
        let server =
            ServerProcess::new_with_addr_tls_modules_and_spawner(addr, None, tls, false, None, &[], spawn);
        let leash = Leash::on(&server.process, &[home, server.tempdir.path()]);
        Self { _leash: leash, server }
    }

    fn log(&self) -> String {
        self.server.log_file_contents().unwrap_or_default()
    }
}

impl fmt::Debug for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pid = self.running.as_ref().map(|running| running.server.process.id());
        f.debug_struct("RedisServer").field("url", &self.url()).field("pid", &pid).finish_non_exhaustive()
    }
}

fn connect(home: &Path) -> redis::RedisResult<Connection> {
    let url = format!("redis+unix://{}", home.join(SOCKET).display());
    let connection = redis::Client::open(url)?.get_connection_with_timeout(ANSWER_LIMIT)?;
    connection.set_read_timeout(Some(ANSWER_LIMIT))?;
    Ok(connection)
}

/// Whether it takes commands: while it still reads its files it says LOADING.
fn answers(home: &Path) -> bool {
    connect(home).and_then(|mut connection| redis::cmd("PING").query::<String>(&mut connection)).is_ok()
}

fn is_installed() -> bool {
    Command::new("redis-server").arg("--version").output().is_ok_and(|output| output.status.success())
}
