//! One session with the desk's device: opens it, and hands its sound on until it breaks or nobody wants
//! it any more. On a thread of its own, `desk`: opening and closing may hang as long as a driver or a
//! sound server likes, and nobody waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cpal::traits::{DeviceTrait, StreamTrait};
use cpal::{BufferSize, Data, ErrorKind, InputCallbackInfo, Stream, StreamConfig};

use crate::engine::note::{DeskNote, Note, Notes};
use crate::engine::samples::Samples;
use crate::engine::timebase::Timebase;
use crate::engine::urgency::go_first;
use crate::venue::DeskConfig;

use super::Trouble;
use super::device::{Failure, Offer, failure, find, is_card};
use super::intake::Intake;
use super::mailbox::{Batch, Block, Mailbox};
use super::pick::Pick;

/// Nothing has come for so long: it is opened anew.
const SILENT: Duration = Duration::from_secs(1);
/// The same before the first: sound servers take their time.
const FIRST: Duration = Duration::from_secs(4);
/// How often the thread shows that it is alive.
const BEAT: Duration = Duration::from_millis(100);
/// Sample frames that may wait for the thread: a second's worth at 96 kHz.
const ROOM: usize = 96_000;

/// What is known of a session, for whoever looks. Written by its thread.
#[derive(Debug, Default)]
pub struct Gauge {
    /// Running time of the last beat, in nanoseconds.
    beat: AtomicU64,
    xruns: AtomicU64,
    /// Billionths that its clock is fast.
    drift: AtomicI64,
    /// Microseconds that its sound takes.
    way: AtomicI64,
}

impl Gauge {
    /// How often sound has been lost in this session.
    pub fn xruns(&self) -> u64 {
        self.xruns.load(Ordering::Relaxed)
    }

    /// How much faster the device's clock runs than ours, in millionths.
    pub fn drift_ppm(&self) -> f64 {
        self.drift.load(Ordering::Relaxed) as f64 / 1e3
    }

    /// How long its sound takes to come here.
    pub fn way(&self) -> Duration {
        let way = self.way.load(Ordering::Relaxed);
        Duration::from_micros(u64::try_from(way).unwrap_or(0))
    }

    /// When its thread last showed that it is alive; zero before it has opened the device.
    pub fn beat(&self) -> Duration {
        Duration::from_nanos(self.beat.load(Ordering::Relaxed))
    }
}

/// A session that is under way. Dropped, it ends soon, and is not waited for.
#[derive(Debug)]
pub struct Session {
    mailbox: Arc<Mailbox>,
    /// Its figures.
    pub gauge: Arc<Gauge>,
    thread: JoinHandle<()>,
}

impl Session {
    /// Starts session number `run`.
    pub fn start(
        config: &DeskConfig,
        samples: &Arc<Samples>,
        timebase: &Timebase,
        notes: &Notes,
        run: u64,
    ) -> std::io::Result<Self> {
        let (mailbox, batch) = Mailbox::new(ROOM);
        let mailbox = Arc::new(mailbox);
        let gauge = Arc::<Gauge>::default();
        let worker = Worker {
            config: config.clone(),
            samples: samples.clone(),
            timebase: timebase.clone(),
            notes: notes.clone(),
            run,
            mailbox: mailbox.clone(),
            gauge: gauge.clone(),
        };
        let thread = std::thread::Builder::new().name("desk".into());
        let thread = thread.spawn(move || worker.run(batch))?;
        Ok(Self {
            mailbox,
            gauge,
            thread,
        })
    }

    /// Asks it to end.
    pub fn end(&self) {
        self.mailbox.end();
    }

    /// Whether its thread has ended.
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.mailbox.end();
    }
}

struct Worker {
    config: DeskConfig,
    samples: Arc<Samples>,
    timebase: Timebase,
    notes: Notes,
    run: u64,
    mailbox: Arc<Mailbox>,
    gauge: Arc<Gauge>,
}

impl Worker {
    fn run(self, batch: Batch) {
        // What alsa-lib has to say goes into the fault rather than to stderr, every second.
        let words = alsa::Output::local_error_handler().ok();
        let Err((trouble, detail)) = self.listen(batch) else {
            return;
        };
        let words = words.map_or(String::new(), |words| words.borrow().to_string());
        let last = words.lines().last().unwrap_or_default();
        let detail = if last.is_empty() {
            detail
        } else {
            format!("{detail} ({last})")
        };
        self.tell(DeskNote::Broke(trouble, detail));
    }

    fn tell(&self, note: DeskNote) {
        self.notes.send(Note::Desk(self.run, note));
    }

    /// `Ok` when it was asked to end.
    fn listen(&self, mut batch: Batch) -> Result<(), Failure> {
        // Its configuration, and with it which cards there are, is read anew for each session.
        let host = cpal::default_host();
        let (channels, rate) = (self.config.channels, self.config.rate);
        let (device, offer) = find(&host, &self.config.device, channels, rate)?;
        let stream = self.open(&device, offer)?;
        stream.play().map_err(failure)?;
        // Not before: threads of the sound system have been started by it.
        go_first("desk");
        let mut intake = Intake::new(offer.rate, &self.samples);
        let mut told = false;
        let (mut came, mut limit) = (Instant::now(), FIRST);
        loop {
            if !self.mailbox.fetch(&mut batch, BEAT) {
                return Ok(());
            }
            self.beat();
            self.gauge.xruns.fetch_add(batch.xruns, Ordering::Relaxed);
            let mut rest = &batch.frames[..];
            for block in &batch.blocks {
                let (frames, later) = rest.split_at(block.frames.min(rest.len()));
                rest = later;
                intake.take(*block, frames, self.beat());
            }
            if !batch.blocks.is_empty() {
                (came, limit) = (Instant::now(), SILENT);
                let drift = intake.drift() * 1e9;
                self.gauge.drift.store(drift as i64, Ordering::Relaxed);
                let way = intake.way() * 1e6;
                self.gauge.way.store(way as i64, Ordering::Relaxed);
            }
            if intake.is_live() && !std::mem::replace(&mut told, true) {
                self.tell(DeskNote::Live(format!(
                    "{} Hz {} {} channels",
                    offer.rate, offer.format, offer.channels
                )));
            }
            if let Some(error) = batch.broken.take() {
                // That it is not there, means that it no longer is.
                return Err((Trouble::Lost, error.to_string()));
            }
            if came.elapsed() > limit {
                return Err((Trouble::Lost, format!("it gave nothing for {limit:?}")));
            }
            batch.clear();
        }
    }

    /// Shows that it is alive; answers what time it is.
    fn beat(&self) -> u64 {
        let now = self.timebase.now().nseconds();
        self.gauge.beat.store(now, Ordering::Relaxed);
        now
    }

    fn open(&self, device: &cpal::Device, offer: Offer) -> Result<Stream, Failure> {
        let opened = self.build(device, offer, offer.block);
        match opened {
            // Blocks of our choice are too much to ask of some.
            Err((Trouble::Format, _)) if offer.block != BufferSize::Default => {
                self.build(device, offer, BufferSize::Default)
            }
            opened => opened,
        }
    }

    fn build(
        &self,
        device: &cpal::Device,
        offer: Offer,
        block: BufferSize,
    ) -> Result<Stream, Failure> {
        let config = StreamConfig {
            channels: offer.channels,
            sample_rate: offer.rate,
            buffer_size: block,
        };
        let pick = Pick {
            channels: usize::from(offer.channels),
            of: (self.config.channels).map(|channel| usize::from(channel).saturating_sub(1)),
        };
        let (mailbox, timebase) = (self.mailbox.clone(), self.timebase.clone());
        let rate = u64::from(offer.rate.max(1));
        // A sound server's client may wait for threads of lower rank, or turn round and round.
        let mut first = is_card(device);
        let on_data = move |data: &Data, info: &InputCallbackInfo| {
            if std::mem::take(&mut first) {
                go_first("the desk's card");
            }
            let now = timebase.now().nseconds();
            let frames = pick.frames(data);
            let times = info.timestamp();
            // Its last sample cannot be younger than itself.
            let least = frames as u64 * 1_000_000_000 / rate;
            let told = times.callback.saturating_duration_since(times.capture);
            let latency = u64::try_from(told.as_nanos()).unwrap_or(least).max(least);
            let block = Block {
                frames,
                captured: now as i64 - latency as i64,
                latency,
                interrupted: false,
            };
            mailbox.put(block, |into| pick.copy(data, into));
        };
        let mailbox = self.mailbox.clone();
        let on_error = move |error: cpal::Error| match error.kind() {
            ErrorKind::Xrun => mailbox.put_xrun(),
            ErrorKind::DeviceChanged | ErrorKind::RealtimeDenied => {}
            _ => mailbox.put_broken(error),
        };
        device
            .build_input_stream_raw(config, offer.format, on_data, on_error, Some(BEAT))
            .map_err(failure)
    }
}
