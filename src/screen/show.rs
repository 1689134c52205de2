//! Runs a screen: keeps what is known, asks the life of the feed what to do, and has the window show what
//! is so. On GTK's thread, which never waits: names are looked up, connections made and taken down on
//! other threads.

mod hearing;
mod view;

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use gtk::prelude::*;
use gtk::{gdk, glib};

use crate::cli::Transport;
use crate::discovery::{Browser, Room};
use crate::engine::pipeline::PipeNote;
use crate::model::SourceId;
use crate::secret::redact;
use crate::tongue::Tongue;

use super::address::Address;
use super::choice::{Choice, Chooser};
use super::decoders::Decoders;
use super::gate::Gate;
use super::keys::{self, Key};
use super::life::{KNOCK, Life, Order, State, Trouble, Why};
use super::output::{self, Pick};
use super::session::{Session, Wish};
use super::sound::Loudspeaker;
use super::window::Window;
use hearing::Hearing;

/// How often everything is looked at.
const TICK: Duration = Duration::from_millis(100);
/// Sound needs the sound card's own buffer, a packet's worth of it (often 85 ms) that is sent when it is
/// full, and some for the network's unevenness.
const SOUND_FLOOR: i64 = 220_000_000;
/// As many encoded pictures without a decoded one: the decoder does not work.
const ENOUGH: u64 = 25;

/// What a screen is to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What to play; `None`: a room that is heard of.
    pub address: Option<Address>,
    /// User, and the file with the password, for a room that is heard of.
    pub user: Option<String>,
    /// The same.
    pub password_file: Option<PathBuf>,
    /// One source of the relay in place of its programme.
    pub source: Option<SourceId>,
    /// What the slate calls the room.
    pub name: Option<String>,
    /// How, by RTSP.
    pub transport: Transport,
    /// Whose certificates are good, by RTSPS.
    pub authority: Option<PathBuf>,
    /// Whether it is heard.
    pub sound: bool,
    /// On which output it is, by its connector.
    pub output: Option<String>,
    /// No way out.
    pub kiosk: bool,
    /// With a clock below the picture.
    pub stage: bool,
    /// When the talk ends, in seconds since 1970.
    pub end: Option<i64>,
    /// Remembers the room.
    pub memory: PathBuf,
}

/// What other threads tell. Each says of which attempt it speaks, at the feed or at the sound system.
enum Note {
    /// Whether anybody takes connections.
    Knocked(u64, Result<(), String>),
    /// A connection is on its way.
    Started(u64, Result<Session, String>),
    /// A pipeline has something to tell.
    Pipe(u64, PipeNote),
    /// This machine's sound system has been opened.
    Heard(u64, Result<Loudspeaker, String>),
    /// What plays the sound has something to tell.
    Sound(u64, PipeNote),
    /// These rooms are known.
    Rooms(Vec<Room>),
    /// It is time for the next attempt.
    Due,
}

/// A screen at work.
pub struct Show {
    plan: Plan,
    tongue: Tongue,
    window: Window,
    gate: Gate,
    life: RefCell<Life>,
    chooser: Option<RefCell<Chooser>>,
    /// Listens for rooms.
    browser: RefCell<Option<Browser>>,
    address: RefCell<Option<Address>>,
    room: RefCell<String>,
    run: Cell<u64>,
    session: RefCell<Option<Session>>,
    decoders: RefCell<Decoders>,
    hearing: RefCell<Hearing>,
    /// What is wrong, and whether a person has to do something.
    trouble: RefCell<Option<(String, Trouble)>>,
    sent: Cell<Option<(u32, u32)>>,
    /// Drawn too late for GTK: the next one was there.
    overtaken: Cell<u64>,
    info: Cell<bool>,
    full: Cell<bool>,
    ticks: Cell<u32>,
    notes: async_channel::Sender<Note>,
}

impl Show {
    /// Opens the window of `app`, and plays for ever.
    pub fn open(app: &gtk::Application, plan: Plan) -> std::io::Result<Rc<Self>> {
        let (gate, woken) = Gate::start()?;
        let (notes, told) = async_channel::unbounded();
        let chooser = plan.address.is_none().then(|| Chooser::new(&plan.memory));
        let window = Window::new(app, plan.stage);
        window.glass().set_clock(gate.timebase());
        let show = Rc::new(Self {
            tongue: Tongue::of_locale(),
            gate,
            life: RefCell::new(Life::new()),
            chooser: chooser.map(RefCell::new),
            browser: RefCell::new(None),
            address: RefCell::new(None),
            room: RefCell::default(),
            run: Cell::new(0),
            session: RefCell::new(None),
            decoders: RefCell::default(),
            hearing: RefCell::default(),
            trouble: RefCell::new(None),
            sent: Cell::new(None),
            overtaken: Cell::new(0),
            info: Cell::new(false),
            full: Cell::new(true),
            ticks: Cell::new(0),
            notes,
            window,
            plan,
        });
        show.listen(woken, told);
        show.connect_keys(app);
        show.place();
        show.follow_drawing();
        show.window.name_picture(show.tongue.tr("Picture"));
        show.window.present();
        // A desktop must not go to sleep over a screen that nobody touches.
        app.inhibit(
            Some(&show.window),
            gtk::ApplicationInhibitFlags::IDLE,
            Some("a screen in the building"),
        );
        match show.plan.address.clone() {
            Some(address) => show.play(address, None),
            None => show.browse(),
        }
        show.tick();
        let weak = Rc::downgrade(&show);
        glib::timeout_add_local(TICK, move || match weak.upgrade() {
            Some(show) => {
                show.tick();
                glib::ControlFlow::Continue
            }
            None => glib::ControlFlow::Break,
        });
        Ok(show)
    }

    fn listen(
        self: &Rc<Self>,
        woken: async_channel::Receiver<()>,
        told: async_channel::Receiver<Note>,
    ) {
        let weak = Rc::downgrade(self);
        glib::spawn_future_local(async move {
            while woken.recv().await.is_ok() {
                let Some(show) = weak.upgrade() else { return };
                show.show_newest();
            }
        });
        let weak = Rc::downgrade(self);
        glib::spawn_future_local(async move {
            while let Ok(note) = told.recv().await {
                let Some(show) = weak.upgrade() else { return };
                show.on_note(note);
            }
        });
    }

    /// Puts the window where it belongs, now and whenever an output is plugged or pulled.
    fn place(self: &Rc<Self>) {
        let display = WidgetExt::display(&self.window);
        self.cover(true);
        let weak = Rc::downgrade(self);
        display.monitors().connect_items_changed(move |_, _, _, _| {
            if let Some(show) = weak.upgrade().filter(|show| show.full.get()) {
                show.cover(false);
            }
        });
    }

    fn cover(&self, tells: bool) {
        let monitors = output::all(&WidgetExt::display(&self.window));
        let names: Vec<String> = monitors.iter().map(output::name).collect();
        let wanted = self.plan.output.as_deref();
        let found = match wanted.map(|wanted| output::pick(wanted, &names)) {
            Some(Pick::Found(at)) => monitors.get(at),
            Some(Pick::Missing) if tells => {
                tracing::warn!(
                    "there is no output {}; the display's own choice is taken until there is; \
                     outputs: {}",
                    wanted.unwrap_or_default(),
                    names.join(", ")
                );
                None
            }
            _ => None,
        };
        self.window.cover(found);
        self.full.set(true);
    }

    /// Tells the gate when what it gave has been drawn.
    fn follow_drawing(self: &Rc<Self>) {
        let weak = Rc::downgrade(self);
        self.window.connect_realize(move |window| {
            let weak = weak.clone();
            if let Some(clock) = window.frame_clock() {
                clock.connect_after_paint(move |_| {
                    if let Some(show) = weak.upgrade() {
                        show.gate.drawn();
                    }
                });
            }
        });
    }

    fn connect_keys(self: &Rc<Self>, app: &gtk::Application) {
        let keys = gtk::EventControllerKey::new();
        // Before any widget: a list has keys of its own.
        keys.set_propagation_phase(gtk::PropagationPhase::Capture);
        let (weak, kiosk) = (Rc::downgrade(self), self.plan.kiosk);
        let app = app.downgrade();
        keys.connect_key_pressed(move |_, key, _, state| {
            let known = keys::meaning(key, state, kiosk).zip(weak.upgrade());
            let Some((key, show)) = known else {
                return glib::Propagation::Proceed;
            };
            match key {
                Key::Quit => {
                    if let Some(app) = app.upgrade() {
                        app.quit();
                    }
                }
                key => show.on_key(key),
            }
            glib::Propagation::Stop
        });
        self.window.add_controller(keys);
        self.window.connect_close_request(move |_| match kiosk {
            true => glib::Propagation::Stop,
            false => glib::Propagation::Proceed,
        });
        let weak = Rc::downgrade(self);
        self.window.connect_chosen(move |row| {
            if let Some(show) = weak.upgrade() {
                show.confirm(Some(row));
            }
        });
    }

    fn on_key(&self, key: Key) {
        let now = Instant::now();
        match key {
            Key::Info => {
                self.info.set(!self.info.get());
                self.show_info();
            }
            Key::Rooms => {
                if let Some(chooser) = &self.chooser {
                    chooser.borrow_mut().ask(now);
                }
            }
            Key::Step(rows) => {
                if let Some(chooser) = &self.chooser {
                    chooser.borrow_mut().step(rows, now);
                }
            }
            Key::Confirm => self.confirm(None),
            Key::FullScreen if !self.full.get() => self.cover(false),
            Key::FullScreen | Key::Leave => {
                self.window.uncover();
                self.full.set(false);
            }
            Key::Quit => {}
        }
        self.show_choice(now);
    }

    fn confirm(&self, row: Option<usize>) {
        let chosen = |chooser: &RefCell<Chooser>| chooser.borrow_mut().confirm(row);
        if self.chooser.as_ref().is_some_and(chosen) {
            self.follow_choice();
            self.show_choice(Instant::now());
        }
    }

    /// Hears of rooms from now on.
    fn browse(&self) {
        let notes = self.notes.clone();
        let started = Browser::start(move |rooms| {
            // Nobody listens to a screen that is being closed.
            let _ = notes.try_send(Note::Rooms(rooms));
        });
        match started {
            Ok(browser) => {
                self.browser.replace(Some(browser));
            }
            Err(error) => tracing::error!(
                "no room can be looked for: {error}; give the screen an address: \
                 regie screen rtsp://HOST:8554/programme"
            ),
        }
    }

    /// Plays the room that was chosen.
    fn follow_choice(&self) {
        let Some(chooser) = &self.chooser else { return };
        let Choice::Chosen(room) = chooser.borrow().choice().clone() else {
            return;
        };
        let file = self.plan.password_file.as_deref();
        let address = Address::of(room.url.clone())
            .and_then(|address| address.guarded(self.plan.user.as_deref(), file))
            .map(|address| match &self.plan.source {
                Some(source) => address.source(source),
                None => address,
            });
        match address {
            Ok(address) if self.address.borrow().as_ref() == Some(&address) => {}
            Ok(address) => self.play(address, Some(room.name)),
            Err(error) => tracing::error!("{} cannot be played: {error}", room.name),
        }
    }

    /// Plays this from now on.
    fn play(&self, address: Address, room: Option<String>) {
        tracing::info!("plays {}", address.shown());
        let name = self.plan.name.clone().or(room);
        self.room
            .replace(name.unwrap_or_else(|| address.host().to_owned()));
        self.address.replace(Some(address));
        self.hang_up();
        self.trouble.replace(None);
        self.life.borrow_mut().begin(Instant::now());
    }

    /// Whatever is connected is no longer, and whatever it still has to say is not heard.
    fn hang_up(&self) {
        self.run.set(self.run.get() + 1);
        self.hearing.borrow_mut().hang_up();
        self.session.replace(None);
    }

    fn on_note(&self, note: Note) {
        let now = Instant::now();
        match note {
            Note::Knocked(run, result) if run == self.run.get() => match result {
                Ok(()) if self.life.borrow_mut().on_open(now) => self.connect(),
                Ok(()) => {}
                Err(reason) => self.fail(&reason, Trouble::Gone),
            },
            Note::Started(run, result) if run == self.run.get() => match result {
                Ok(session) => {
                    self.session.replace(Some(session));
                }
                Err(reason) => self.fail(&reason, Trouble::Gone),
            },
            Note::Pipe(run, note) if run == self.run.get() => match note {
                PipeNote::Ended => self.fail("the stream has ended", Trouble::Gone),
                PipeNote::Error { text, detail } => self.on_error(&text, &detail),
            },
            Note::Due => self.obey(now),
            Note::Heard(run, opened) => self.on_heard(run, opened, now),
            Note::Sound(run, note) => self.on_sound(run, &note, now),
            Note::Rooms(rooms) => {
                let Some(chooser) = &self.chooser else { return };
                let changed = chooser.borrow_mut().hear(rooms, now);
                if changed {
                    self.follow_choice();
                }
            }
            // Of an earlier attempt. A session among them is closed here.
            Note::Knocked(..) | Note::Started(..) | Note::Pipe(..) => {}
        }
    }

    fn on_error(&self, text: &str, detail: &str) {
        if detail.contains(&format!(":{}", super::DECODER)) {
            self.give_decoder_up(text);
        }
        tracing::debug!("{detail}");
        self.fail(text, trouble_of(text, detail));
    }

    /// The feed is gone, or did not come.
    fn fail(&self, reason: &str, trouble: Trouble) {
        let was_live = matches!(self.life.borrow().state(), State::Live { .. });
        self.life.borrow_mut().on_failed(trouble, Instant::now());
        self.hang_up();
        self.wake_for_the_next();
        let reason = redact(reason);
        let known = (self.trouble.borrow().as_ref()).is_some_and(|(own, _)| *own == reason);
        tracing::debug!("attempt {}: {reason}", self.run.get());
        // Said once, however often it is tried.
        if was_live || !known {
            let address = self.address.borrow();
            let address = address.as_ref().map_or_else(String::new, Address::shown);
            tracing::warn!(
                "{address} is not there: {reason}; tried again, three times a second, for ever"
            );
        }
        self.trouble.replace(Some((reason, trouble)));
    }

    /// The next attempt does not wait for a tick.
    fn wake_for_the_next(&self) {
        let Some(next) = self.life.borrow().next() else {
            return;
        };
        let notes = self.notes.clone();
        let wait = next.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        glib::timeout_add_local_once(wait, move || {
            // Nobody listens to a screen that is being closed.
            let _ = notes.try_send(Note::Due);
        });
    }

    fn give_decoder_up(&self, reason: &str) {
        let session = self.session.borrow();
        let name = session.as_ref().and_then(|own| *own.facts().decoder.lock());
        if let Some(name) = name
            && self.decoders.borrow_mut().fail(name)
        {
            tracing::warn!(
                "the decoder {name} does not work here ({reason}); the next one is tried"
            );
        }
    }

    /// Asks whether anybody is there, on a thread of its own: a resolver may take its time.
    fn knock(&self) {
        let Some(address) = self.address.borrow().clone() else {
            return;
        };
        self.hang_up();
        let (run, notes) = (self.run.get(), self.notes.clone());
        let asked = std::thread::Builder::new()
            .name("knock".into())
            .spawn(move || {
                let answer = address.knock(KNOCK).map_err(|error| error.to_string());
                let _ = notes.try_send(Note::Knocked(run, answer));
            });
        if let Err(error) = asked {
            self.fail(&error.to_string(), Trouble::Gone);
        }
    }

    /// Connects, on a thread of its own: some elements wait for the other end.
    fn connect(&self) {
        let Some(address) = self.address.borrow().clone() else {
            return;
        };
        let sound = self.plan.sound;
        let wish = Wish {
            address,
            transport: self.plan.transport,
            sound,
            authority: self.plan.authority.clone(),
            decoders: self.decoders.borrow().clone(),
        };
        let (run, notes) = (self.run.get(), self.notes.clone());
        let entrance = self.gate.admit(run, if sound { SOUND_FLOOR } else { 0 });
        self.window.glass().begin();
        self.overtaken.set(0);
        let timebase = self.gate.timebase().clone();
        let started = std::thread::Builder::new()
            .name("connect".into())
            .spawn(move || {
                let said = notes.clone();
                let reporter = Box::new(move |note| {
                    let _ = said.try_send(Note::Pipe(run, note));
                });
                let session = Session::start(&wish, entrance, &timebase, reporter);
                let session = session.map_err(|error| error.to_string());
                let _ = notes.try_send(Note::Started(run, session));
            });
        if let Err(error) = started {
            self.fail(&error.to_string(), Trouble::Gone);
        }
    }

    /// The newest picture is on its way to the glass.
    fn show_newest(&self) {
        let Some(frame) = self
            .gate
            .fetch()
            .filter(|frame| frame.run == self.run.get())
        else {
            return;
        };
        let first = self.life.borrow_mut().on_picture(Instant::now());
        self.sent.set(Some(frame.sent));
        let size = [frame.width, frame.height].map(|length| i32::try_from(length).unwrap_or(1));
        let texture = gdk::MemoryTexture::new(
            size[0],
            size[1],
            // Opaque: as GTK draws it, without a look at each pixel.
            gdk::MemoryFormat::B8g8r8a8Premultiplied,
            &frame.pixels,
            frame.stride,
        );
        let overtook = self
            .window
            .glass()
            .show_picture(texture.upcast(), frame.entered);
        self.overtaken
            .set(self.overtaken.get() + u64::from(overtook));
        if first {
            let decoder = self
                .session
                .borrow()
                .as_ref()
                .and_then(|own| *own.facts().decoder.lock());
            tracing::info!(
                "the picture is there: {} × {}, {}",
                frame.sent.0,
                frame.sent.1,
                decoder.unwrap_or("decodebin")
            );
            self.trouble.replace(None);
            self.show_glass(Instant::now());
        }
    }

    fn tick(&self) {
        let now = Instant::now();
        if let Some(chooser) = &self.chooser {
            let changed = chooser.borrow_mut().poll(now);
            if changed {
                self.follow_choice();
            }
        }
        self.obey(now);
        self.keep_sound_in_step(now);
        self.fit_pictures();
        self.show_glass(now);
        self.show_choice(now);
        // Nobody reads faster.
        self.ticks.set(self.ticks.get().wrapping_add(1));
        if self.ticks.get().is_multiple_of(5) {
            self.show_info();
        }
        self.show_time();
    }

    /// Does what the life of the feed asks for.
    fn obey(&self, now: Instant) {
        let order = self.life.borrow_mut().poll(now);
        match order {
            Some(Order::Knock) => self.knock(),
            None => {}
            Some(Order::Drop(why)) => self.drop_session(why),
        }
    }

    fn drop_session(&self, why: Why) {
        let encoded = (self.session.borrow().as_ref())
            .map_or(0, |own| own.facts().encoded.load(Ordering::Relaxed));
        if encoded > ENOUGH && self.gate.counts().arrived == 0 {
            self.give_decoder_up("it is given pictures and gives none");
        }
        let reason = match why {
            Why::NoPicture => "no picture came",
            Why::Silent => "pictures have stopped",
        };
        self.fail(reason, Trouble::Gone);
    }

    /// Without a GPU pictures are made as large as they are drawn: scaling them twice costs more.
    fn fit_pictures(&self) {
        let renderer = self.window.renderer();
        let by_processor =
            renderer.is_some_and(|renderer| renderer.type_().name() == "GskCairoRenderer");
        let size = self.window.glass().pixels().filter(|_| by_processor);
        self.gate.set_size(size);
    }
}

/// Whether a person has to do something.
fn trouble_of(text: &str, detail: &str) -> Trouble {
    let said = format!("{text} {detail}").to_lowercase();
    let marks = ["unauthorized", "not authorized", "forbidden", "certificate"];
    if marks.iter().any(|mark| said.contains(mark)) {
        Trouble::NotAllowed
    } else {
        Trouble::Gone
    }
}
