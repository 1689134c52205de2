//! The thread of one card: opens it, reads it, and begins again, for as long as the source lives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::devices::is_stable_name;
use crate::engine::pictures::Pictures;
use crate::engine::timebase::Timebase;
use crate::venue::CaptureConfig;

use super::cause::Cause;
use super::darkroom::Darkroom;
use super::device::{Device, Failure};
use super::stream::Stream;
use super::{CardNote, CardReporter, Wishes};

/// How often wishes are looked at while no frame comes.
const LISTEN: Duration = Duration::from_millis(50);
/// How often a card is looked for that is not there: it costs one look into a folder.
const ABSENT: Duration = Duration::from_millis(200);
/// How often anything else is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// How often it is asked for a signal while there is none.
const NO_SIGNAL: Duration = Duration::from_millis(250);
/// How often it is asked for its signal while there is one.
const SIGNAL: Duration = Duration::from_secs(1);
/// So many frames in a row that cannot be used are a trouble.
const BAD_FRAMES: u32 = 30;

/// What the thread owns.
pub struct Reader {
    config: CaptureConfig,
    pictures: Arc<Pictures>,
    timebase: Timebase,
    reporter: CardReporter,
    wishes: Arc<Wishes>,
    /// The last trouble that was told.
    told: Option<Cause>,
    /// What had the name first, where the name is a number.
    identity: Option<String>,
}

/// Why a stream is no longer read.
enum Turn {
    /// Something else comes in, or somebody wishes it.
    Restart,
    /// Somebody wishes it.
    Reopen,
    /// Nobody needs it any more.
    End,
}

impl Reader {
    pub(super) fn new(
        config: CaptureConfig,
        pictures: Arc<Pictures>,
        timebase: Timebase,
        reporter: CardReporter,
        wishes: Arc<Wishes>,
    ) -> Self {
        Self {
            config,
            pictures,
            timebase,
            reporter,
            wishes,
            told: None,
            identity: None,
        }
    }

    /// Until the source is no more.
    pub(super) fn run(mut self) {
        while !self.wants_end() {
            // Both mean that it is opened anew.
            take(&self.wishes.reopen);
            take(&self.wishes.restart);
            let failure = match self.open() {
                Ok(device) => match self.serve(device) {
                    Ok(()) => continue,
                    Err(failure) => failure,
                },
                Err(failure) => failure,
            };
            let pause = match failure.cause {
                Cause::Gone => ABSENT,
                _ => AGAIN,
            };
            self.tell(failure);
            self.rest(pause);
        }
    }

    fn open(&mut self) -> Result<Device, Failure> {
        let device = Device::open(&self.config)?;
        if !is_stable_name(&self.config.device.to_string_lossy()) {
            let own = self.identity.get_or_insert_with(|| device.identity.clone());
            if *own != device.identity {
                return Err(Failure {
                    cause: Cause::OtherCard,
                    detail: format!("it was {own}, and is {}", device.identity),
                });
            }
        }
        Ok(device)
    }

    /// Reads the device until it has to be closed.
    fn serve(&mut self, mut device: Device) -> Result<(), Failure> {
        loop {
            let arrangement = match device.arrange(&self.config) {
                Ok(arrangement) => arrangement,
                // The device is well: it is asked again, not opened again.
                Err(failure) if failure.cause.is_of_signal() => {
                    self.tell(failure);
                    self.rest(NO_SIGNAL);
                    if self.wants_end() || take(&self.wishes.reopen) {
                        return Ok(());
                    }
                    continue;
                }
                Err(failure) => return Err(failure),
            };
            // What was told meanwhile has been followed already.
            device.take_events();
            let mut darkroom = Darkroom::new(
                arrangement.clone(),
                self.pictures.clone(),
                self.timebase.clone(),
            );
            let turn = {
                let stream = Stream::start(&device)?;
                self.told = None;
                (self.reporter)(CardNote::Streams {
                    picture: arrangement.describe(),
                    plug: device.plug.clone(),
                });
                self.read(&device, &stream, &mut darkroom)
            };
            match turn {
                Ok(Turn::Restart) => {}
                Ok(Turn::Reopen | Turn::End) => return Ok(()),
                // It lies in what comes in, and is found there.
                Err(failure) if failure.cause.is_of_signal() => {}
                Err(failure) => return Err(failure),
            }
        }
    }

    fn read(
        &self,
        device: &Device,
        stream: &Stream<'_>,
        darkroom: &mut Darkroom,
    ) -> Result<Turn, Failure> {
        let mut bad = 0;
        let mut look = Instant::now() + SIGNAL;
        loop {
            if self.wants_end() {
                return Ok(Turn::End);
            }
            if take(&self.wishes.reopen) {
                return Ok(Turn::Reopen);
            }
            if take(&self.wishes.restart) {
                return Ok(Turn::Restart);
            }
            let events = wait(device);
            if events.contains(PollFlags::PRI) && device.take_events() {
                return Ok(Turn::Restart);
            }
            while let Some(frame) = stream.next()? {
                let developed = match stream.memory(&frame).filter(|_| !frame.is_damaged) {
                    Some(memory) => darkroom.develop(&frame, memory),
                    None => Err("a damaged frame".to_owned()),
                };
                stream.end(frame)?;
                match developed {
                    Ok(()) => bad = 0,
                    Err(reason) => {
                        bad += 1;
                        if bad == BAD_FRAMES {
                            tracing::debug!("{}: {reason}", self.config.device.display());
                            return Ok(Turn::Restart);
                        }
                    }
                }
            }
            if events.intersects(PollFlags::ERR | PollFlags::HUP) {
                // It says why at the next call, or was disturbed and is well again.
                std::thread::sleep(LISTEN);
            }
            let now = Instant::now();
            if now >= look {
                look = now + SIGNAL;
                // Plugged in at the same moment, two cards may have changed their numbers.
                if device.is_another() {
                    return Ok(Turn::Reopen);
                }
                if !device.is_unchanged()? {
                    return Ok(Turn::Restart);
                }
            }
        }
    }

    /// Each trouble once, until there is another one or none.
    fn tell(&mut self, failure: Failure) {
        if self.told.as_ref() == Some(&failure.cause) {
            return;
        }
        self.told = Some(failure.cause.clone());
        let Failure { cause, detail } = failure;
        (self.reporter)(CardNote::Fails { cause, detail });
    }

    fn wants_end(&self) -> bool {
        self.wishes.end.load(Ordering::Relaxed)
    }

    fn rest(&self, pause: Duration) {
        let until = Instant::now() + pause;
        while !self.wants_end() && !self.wishes.reopen.load(Ordering::Relaxed) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(LISTEN));
        }
    }
}

/// What has happened to the device; nothing, after a while without anything.
fn wait(device: &Device) -> PollFlags {
    let mut wanted = PollFlags::IN;
    if device.has_events {
        wanted |= PollFlags::PRI;
    }
    let mut waiting = [PollFd::new(device.file(), wanted)];
    let limit = Timespec {
        tv_sec: 0,
        tv_nsec: LISTEN.as_nanos() as i64,
    };
    match poll(&mut waiting, Some(&limit)) {
        Ok(_) => waiting[0].revents(),
        Err(_) => PollFlags::empty(),
    }
}

fn take(wish: &AtomicBool) -> bool {
    wish.swap(false, Ordering::Relaxed)
}
