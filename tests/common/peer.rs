//! A bad server: it stands before a real one and does to each connection what its manner says.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

/// What it does to those that connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Passes everything on.
    Good = 0,
    /// Takes everything, and never answers.
    Silent = 1,
    /// Answers half of RTMP's handshake.
    Half = 2,
    /// Passes everything on, but reads no more than [`SLOW`] bytes in a second.
    Slow = 3,
}

/// Bytes per second that a slow one reads: a fifth of a small programme's.
pub const SLOW: u64 = 9_000;
/// How often a slow one reads.
const STEP: Duration = Duration::from_millis(50);
/// RTMP's handshake: C0 and C1, or S0 and S1.
const HANDSHAKE: usize = 1537;

/// A server on a port of its own.
pub struct Peer {
    address: String,
    shared: Arc<Shared>,
}

struct Shared {
    manner: AtomicU8,
    /// Connections that the other end has not closed.
    open: AtomicU64,
    end: AtomicBool,
}

impl Peer {
    /// Stands at `host` before the server at `server`.
    #[track_caller]
    pub fn before(server: &str, host: &str, manner: Manner) -> Self {
        let listener = TcpListener::bind((host, 0)).expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let shared = Arc::new(Shared {
            manner: AtomicU8::new(manner as u8),
            open: AtomicU64::new(0),
            end: AtomicBool::new(false),
        });
        let (own, server) = (shared.clone(), server.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if own.end.load(Ordering::SeqCst) {
                    return;
                }
                let (own, server) = (own.clone(), server.clone());
                std::thread::spawn(move || {
                    own.open.fetch_add(1, Ordering::SeqCst);
                    // An end of any kind is an end.
                    let _ = own.serve(client, &server);
                    own.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, shared }
    }

    pub fn rtmp_url(&self, application: &str, name: &str) -> String {
        format!("rtmp://{}/{application}/{name}", self.address)
    }

    /// Changes its manner: towards good and slow for the connections of now, else for later ones.
    pub fn set(&self, manner: Manner) {
        self.shared.manner.store(manner as u8, Ordering::SeqCst);
    }

    /// Connections that the other end has not closed.
    pub fn open(&self) -> u64 {
        self.shared.open.load(Ordering::SeqCst)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.shared.end.store(true, Ordering::SeqCst);
        // It wakes the listener up.
        let _ = TcpStream::connect(&self.address);
    }
}

impl Shared {
    fn is(&self, manner: Manner) -> bool {
        self.manner.load(Ordering::SeqCst) == manner as u8
    }

    fn serve(&self, mut client: TcpStream, server: &str) -> std::io::Result<()> {
        if self.is(Manner::Half) {
            let mut greeting = [0; HANDSHAKE];
            client.read_exact(&mut greeting)?;
            client.write_all(&greeting)?;
            return swallow(client);
        }
        if self.is(Manner::Silent) {
            return swallow(client);
        }
        let mut server = TcpStream::connect(server)?;
        let (mut from, mut to) = (server.try_clone()?, client.try_clone()?);
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        });
        let passed = self.pass_on(&mut client, &mut server);
        // The thread above reads from it: it has to see the end.
        let _ = server.shutdown(Shutdown::Both);
        passed
    }

    fn pass_on(&self, client: &mut TcpStream, server: &mut TcpStream) -> std::io::Result<()> {
        let mut buffer = vec![0; (SLOW as usize) * STEP.as_millis() as usize / 1000];
        loop {
            let length = client.read(&mut buffer)?;
            if length == 0 {
                return Ok(());
            }
            server.write_all(&buffer[..length])?;
            if self.is(Manner::Slow) {
                std::thread::sleep(STEP);
            }
        }
    }
}

fn swallow(mut client: TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 4096];
    while client.read(&mut buffer)? > 0 {}
    Ok(())
}
