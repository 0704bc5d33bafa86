//! The connection that every operation shares.
//!
//! One connection carries the operations of a process, many at a time. The connection manager of the `redis`
//! crate is not used: it makes a new connection when the old one breaks but not when answers stop coming, as
//! behind a firewall that has forgotten the connection. Here both give it up, and an operation whose answer
//! was lost is sent again: that is safe, since every operation of the store is idempotent.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use agentexec_activity_core::WatchCursor;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, ErrorKind, RedisError, ServerErrorKind, Value};
use tokio::time::{Instant, sleep, timeout_at};

use crate::address::{Address, Addresses};
use crate::codec::FORMAT;
use crate::failure::Failure;
use crate::keys::Keys;
use crate::reply::{Reply, entry_id};
use crate::script::{Call, HELLO};

/// How long it is waited before an operation that failed is sent again; it doubles each time up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_millis(500);
/// A timeout that is longer than the clock can count is this long.
const LONGEST_TIME: Duration = Duration::from_secs(24 * 3600);
/// How many operations wait to be written to the connection before others have to wait.
const QUEUE: usize = 1024;
/// How often an operation follows a slot to another node at once.
const REDIRECTS: u32 = 4;

pub(crate) struct Link {
    pub(crate) keys: Keys,
    addresses: Addresses,
    timeout: Duration,
    connect_timeout: Duration,
    state: Mutex<State>,
    /// Held by whoever makes a new connection, so that only one is made.
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    connection: Option<MultiplexedConnection>,
    /// How many connections there were: an operation gives up only the one that it has used.
    number: u64,
    down_since: Option<Instant>,
    landmark: Option<Landmark>,
}

/// An event that this process knows the server to have acknowledged, and what it begins with.
struct Landmark {
    place: WatchCursor,
    mark: Vec<u8>,
}

impl Link {
    pub(crate) fn new(
        keys: Keys,
        addresses: Addresses,
        timeout: Duration,
        connect_timeout: Duration,
    ) -> Self {
        let (timeout, connect_timeout) = (timeout.min(LONGEST_TIME), connect_timeout.min(LONGEST_TIME));
        let (state, connecting) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { keys, addresses, timeout, connect_timeout, state, connecting }
    }

    /// Where it connects to, without credentials.
    pub(crate) fn server(&self) -> String {
        self.addresses.current().to_string()
    }

    /// A panic while the lock was held cannot leave a half-made change: nothing below it panics.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls a script.
    pub(crate) async fn call(&self, call: Call) -> Result<Value, Failure> {
        self.send(&Request::Call(call)).await
    }

    /// Sends a command.
    pub(crate) async fn command(&self, command: Cmd) -> Result<Value, Failure> {
        self.send(&Request::Command(command)).await
    }

    /// Sends a request until it is answered, or until the time of an operation is over. A server that has been
    /// away for longer than that is asked once only, so that nobody waits long for one that is down.
    async fn send(&self, request: &Request) -> Result<Value, Failure> {
        let deadline = Instant::now() + self.timeout;
        let (mut wait, mut redirects, mut used) = (FIRST_WAIT, 0, 0);
        loop {
            let failure = match timeout_at(deadline, self.try_once(request, &mut used)).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(Miss::Moved)) if redirects < REDIRECTS => {
                    redirects += 1;
                    continue;
                }
                Ok(Err(Miss::Moved)) => Failure::Cluster { said: "it moves again and again".into() },
                Ok(Err(Miss::Failed(failure))) => failure,
                Err(_) => {
                    self.give_up(used);
                    return Err(Failure::NoAnswer { server: self.server(), after: self.timeout });
                }
            };
            let is_over = Instant::now() + wait >= deadline || self.is_down_for_long();
            if is_over || !failure.may_pass() {
                return Err(failure);
            }
            sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Sends a request once. `used` becomes the number of the connection.
    async fn try_once(&self, request: &Request, used: &mut u64) -> Result<Value, Miss> {
        let (number, mut connection) = self.connection().await?;
        *used = number;
        let answer = request.ask(&mut connection).await;
        answer.map_err(|error| {
            let miss = self.miss(&self.server(), error);
            if miss.ends_connection() {
                self.give_up(number);
            }
            miss
        })
    }

    /// What an error means; the address of a node that it names is taken over.
    fn miss(&self, server: &str, error: RedisError) -> Miss {
        let has_moved = error.kind() == ErrorKind::Server(ServerErrorKind::Moved);
        let node = error.redirect_node().filter(|_| has_moved);
        if node.is_some_and(|(node, _slot)| self.addresses.redirect(node)) {
            return Miss::Moved;
        }
        Miss::Failed(Failure::of(server, error))
    }

    /// Gives a connection up, unless another has replaced it already.
    fn give_up(&self, number: u64) {
        let mut state = self.lock();
        if state.number == number {
            state.connection = None;
        }
    }

    fn is_down_for_long(&self) -> bool {
        self.lock().down_since.is_some_and(|since| since.elapsed() > self.timeout)
    }

    async fn connection(&self) -> Result<(u64, MultiplexedConnection), Miss> {
        if let Some(connected) = self.connected() {
            return Ok(connected);
        }
        let _one_at_a_time = self.connecting.lock().await;
        if let Some(connected) = self.connected() {
            return Ok(connected);
        }
        self.lock().down_since.get_or_insert_with(Instant::now);
        let connection = self.connect_and_greet().await?;
        let mut state = self.lock();
        (state.connection, state.down_since) = (Some(connection.clone()), None);
        state.number += 1;
        Ok((state.number, connection))
    }

    fn connected(&self) -> Option<(u64, MultiplexedConnection)> {
        let state = self.lock();
        state.connection.clone().map(|connection| (state.number, connection))
    }

    async fn connect_and_greet(&self) -> Result<MultiplexedConnection, Miss> {
        let address = self.addresses.current();
        // Each operation watches its own time; this is for answers that nobody waits for any more.
        let connected = self.connect(&address, self.timeout * 2).await;
        let mut connection = connected.inspect_err(|_| self.addresses.next())?;
        match Request::Call(self.hello_call()).ask(&mut connection).await {
            Ok(answer) => {
                check_format(answer)?;
                Ok(connection)
            }
            Err(error) => {
                let miss = self.miss(&address.to_string(), error);
                if matches!(miss, Miss::Failed(_)) {
                    self.addresses.next();
                }
                Err(miss)
            }
        }
    }

    async fn connect(
        &self,
        address: &Address,
        response_timeout: Duration,
    ) -> Result<MultiplexedConnection, Failure> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            .set_response_timeout(Some(response_timeout))
            .set_pipeline_buffer_size(QUEUE);
        let connected = address.client().get_multiplexed_async_connection_with_config(&config).await;
        connected.map_err(|error| Failure::of(&address.to_string(), error))
    }

    /// A connection of its own, for commands that block up to `longest`.
    pub(crate) async fn blocking_connection(
        &self,
        longest: Duration,
    ) -> Result<MultiplexedConnection, Failure> {
        self.connect(&self.addresses.current(), longest + self.timeout).await
    }

    /// The place of the newest event. When the server has lost events that it had acknowledged to this process,
    /// the place is in a new life.
    pub(crate) async fn hello(&self) -> Result<WatchCursor, Failure> {
        let answer = self.call(self.hello_call()).await?;
        check_format(answer)
    }

    fn hello_call(&self) -> Call {
        let call = HELLO.call(&self.keys, &[]);
        match &self.lock().landmark {
            Some(known) => call.arg(entry_id(known.place)).bytes(&known.mark),
            None => call,
        }
    }

    /// Remembers an event that the server has acknowledged.
    pub(crate) fn remember(&self, place: WatchCursor, mark: Vec<u8>) {
        let landmark = &mut self.lock().landmark;
        if landmark.as_ref().is_none_or(|known| known.place < place) {
            *landmark = Some(Landmark { place, mark });
        }
    }
}

/// Why one try was not answered.
enum Miss {
    /// The slot is at another node, which is known now.
    Moved,
    Failed(Failure),
}

impl Miss {
    /// Whether another connection may do better.
    fn ends_connection(&self) -> bool {
        match self {
            Self::Moved => true,
            Self::Failed(failure) => failure.ends_connection(),
        }
    }
}

impl From<Failure> for Miss {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

enum Request {
    Call(Call),
    Command(Cmd),
}

impl Request {
    async fn ask(&self, connection: &mut MultiplexedConnection) -> Result<Value, RedisError> {
        let call = match self {
            Self::Command(command) => return connection.send_packed_command(command).await?.extract_error(),
            Self::Call(call) => call,
        };
        let answer = connection.send_packed_command(call.by_digest()).await.and_then(Value::extract_error);
        match answer {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                connection.send_packed_command(&call.in_full()).await?.extract_error()
            }
            answer => answer,
        }
    }
}

fn check_format(answer: Value) -> Result<WatchCursor, Failure> {
    let mut reply = Reply::of(answer)?;
    let (place, found) = (reply.some_place()?, reply.number()?);
    if found > FORMAT {
        return Err(Failure::NewerFormat { found, known: FORMAT });
    }
    Ok(place)
}
