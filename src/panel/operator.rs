//! Between the operator and the engine: keeps what the engine said, and has the window show what
//! that makes. Lives on the GTK thread, waits for nothing. What the operator wants is carried out
//! in `wishes`, what is typed is read in `keyboard`.

mod keyboard;
mod wishes;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use adw::prelude::*;
use gtk::glib;

use crate::model::transition::DEFAULT_TRANSITION_MS;
use crate::model::{Alarm, Event, Refused, RoleId, Severity, Snapshot, Transition};
use crate::tongue::Tongue;

use super::Plan;
use super::action::{Act, Action};
use super::calibration::Step;
use super::card::Card;
use super::fault_bar::Said;
use super::link::{Heard, Link};
use super::own_engine::OwnEngine;
use super::past::History;
use super::pictures::Pictures;
use super::pointer::hide_at_rest;
use super::truth::{self, Link as State};
use super::view::{Own, View};
use keyboard::Keyboard;

/// A selected role waits so long for its source.
const SELECTED: Duration = Duration::from_secs(10);
/// So long the window says why something was not done.
const REFUSED: Duration = Duration::from_secs(6);
/// Pictures are asked for anew when the window has kept its size for so long.
const SETTLED: Duration = Duration::from_millis(250);
/// Clocks and spans of time are looked after so often.
const TICK: Duration = Duration::from_millis(500);

/// All that the panel knows.
#[derive(Debug)]
struct Known {
    state: State,
    snapshot: Option<Snapshot>,
    selected: Option<(RoleId, Instant)>,
    transition: Transition,
    duration_ms: u32,
    direct: bool,
    card: Option<Card>,
    /// A card went by itself at this moment: the key that was meant for it must do no harm.
    card_went: Option<Instant>,
    /// The slate went by itself at this moment.
    slate_went: Option<Instant>,
    refused: Option<(String, Instant)>,
    /// Why no engine answers, where one has left word.
    trouble: Option<String>,
    /// Pictures and levels come.
    pictures: bool,
    history: History,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            state: State::Searching,
            snapshot: None,
            selected: None,
            transition: Transition::Cut,
            duration_ms: DEFAULT_TRANSITION_MS,
            direct: false,
            card: None,
            card_went: None,
            slate_went: None,
            refused: None,
            trouble: None,
            pictures: true,
            history: History::default(),
        }
    }
}

/// The panel at work.
#[derive(Debug)]
pub struct Operator {
    plan: Plan,
    tongue: Cell<Tongue>,
    known: RefCell<Known>,
    keyboard: RefCell<Keyboard>,
    view: View,
    act: Act,
    link: Link,
    pictures: Pictures,
    own_engine: RefCell<Option<OwnEngine>>,
    /// Counts requests of pictures: what belongs to an older one is not drawn.
    generation: Cell<u64>,
    resize: RefCell<Option<glib::SourceId>>,
    /// The window shall show what is new, once, when the main loop comes to it.
    stale: Cell<bool>,
    /// While the engine is there the computer stays awake.
    awake: Cell<Option<u32>>,
    closing: Cell<bool>,
    ticks: Cell<u64>,
}

impl Operator {
    /// Opens the window and starts looking for the engine.
    pub fn open(app: &adw::Application, plan: Plan) -> std::io::Result<Rc<Self>> {
        let (link, heard) = Link::start(&plan.socket)?;
        let (pictures, woken) = Pictures::start(&plan.socket)?;
        let own_engine = plan.engine.as_ref();
        let own_engine = own_engine.and_then(|config| OwnEngine::start(&plan.socket, config));
        // One after the other, keys and buttons alike: a widget that changes while the window
        // shows something must not find it busy, and no wish overtakes another.
        let (wishes, wished) = async_channel::unbounded();
        let act = Act::new(move |action| {
            // The receiver lives as long as the panel.
            let _ = wishes.try_send(action);
        });
        let operator = Rc::new(Self {
            view: View::new(app, &act, plan.kiosk),
            act,
            tongue: Cell::new(Tongue::of_locale()),
            known: RefCell::default(),
            keyboard: RefCell::default(),
            plan,
            link,
            pictures,
            own_engine: RefCell::new(own_engine),
            generation: Cell::new(0),
            resize: RefCell::default(),
            stale: Cell::new(false),
            awake: Cell::new(None),
            closing: Cell::new(false),
            ticks: Cell::new(0),
        });
        operator.listen(wished, |operator, action: Action| {
            operator.carry_out(action);
            operator.show_soon();
        });
        operator.listen(heard, Self::on_heard);
        operator.listen(woken, |operator, ()| operator.on_pictures());
        operator.watch_window();
        operator.watch_keys();
        operator.show();
        operator.view.window.present();
        Ok(operator)
    }

    /// Calls `receive` for everything that comes out of `channel`.
    fn listen<T: 'static>(
        self: &Rc<Self>,
        channel: async_channel::Receiver<T>,
        receive: impl Fn(&Rc<Self>, T) + 'static,
    ) {
        let weak = Rc::downgrade(self);
        glib::spawn_future_local(async move {
            while let Ok(what) = channel.recv().await {
                let Some(operator) = weak.upgrade() else {
                    break;
                };
                receive(&operator, what);
            }
        });
    }

    fn watch_window(self: &Rc<Self>) {
        let window = &self.view.window;
        if self.plan.kiosk {
            window.set_deletable(false);
            cover_screen(window.upcast_ref());
            hide_at_rest(window.upcast_ref());
        }
        let weak = Rc::downgrade(self);
        window.connect_close_request(move |_| match weak.upgrade() {
            Some(operator) if !operator.may_close() => glib::Propagation::Stop,
            _ => glib::Propagation::Proceed,
        });
        let weak = Rc::downgrade(self);
        self.view.on_size(move || {
            if let Some(operator) = weak.upgrade() {
                operator.ask_later();
            }
        });
        let weak = Rc::downgrade(self);
        window.connect_scale_factor_notify(move |_| {
            if let Some(operator) = weak.upgrade() {
                operator.ask_later();
            }
        });
        let weak = Rc::downgrade(self);
        glib::timeout_add_local(TICK, move || {
            let Some(operator) = weak.upgrade() else {
                return glib::ControlFlow::Break;
            };
            operator.on_tick();
            glib::ControlFlow::Continue
        });
    }

    /// Twice a second: clocks, spans of time, and what has waited long enough.
    fn on_tick(self: &Rc<Self>) {
        let now = Instant::now();
        {
            let mut known = self.known.borrow_mut();
            known
                .selected
                .take_if(|(_, since)| now.duration_since(*since) > SELECTED);
            known
                .refused
                .take_if(|(_, since)| now.duration_since(*since) > REFUSED);
        }
        self.look_after_field(now);
        if let Some(engine) = &mut *self.own_engine.borrow_mut() {
            engine.look_after(now);
        }
        let ticks = self.ticks.replace(self.ticks.get() + 1);
        if ticks.is_multiple_of(10) {
            self.view.tell_levels();
        }
        self.show();
    }

    /// Asks for pictures of the right size when the window has settled.
    fn ask_later(self: &Rc<Self>) {
        if let Some(waiting) = self.resize.take() {
            waiting.remove();
        }
        let weak = Rc::downgrade(self);
        let timer = glib::timeout_add_local_once(SETTLED, move || {
            if let Some(operator) = weak.upgrade() {
                operator.resize.take();
                operator.ask_for_pictures();
            }
        });
        self.resize.replace(Some(timer));
    }

    fn ask_for_pictures(self: &Rc<Self>) {
        if let Some(waiting) = self.resize.take() {
            waiting.remove();
        }
        let views = self.ask(|snapshot| self.view.wanted(snapshot));
        match views {
            Some(Some(views)) => {
                self.generation.set(self.generation.get() + 1);
                self.pictures.request(self.generation.get(), views);
            }
            // The window has no size yet.
            Some(None) => self.ask_later(),
            None => {}
        }
    }

    /// No pictures until they are asked for anew: those under way may be another venue's.
    fn forget_pictures(&self) {
        self.generation.set(self.generation.get() + 1);
        self.pictures.request(self.generation.get(), Vec::new());
        self.view.black(self.tongue.get());
    }

    fn on_pictures(self: &Rc<Self>) {
        let mut fetched = self.pictures.take();
        if fetched.generation != self.generation.get() {
            return;
        }
        let mut known = self.known.borrow_mut();
        let connected = known.state == State::Connected;
        if std::mem::replace(&mut known.pictures, !fetched.lost) == fetched.lost {
            self.show_soon();
        }
        let Some(snapshot) = known.snapshot.as_ref().filter(|_| connected) else {
            return;
        };
        if fetched.lost {
            self.view.black(self.tongue.get());
            return;
        }
        if let Some(mut levels) = fetched.levels.take() {
            let silent_mix = truth::is_mix_silent(snapshot);
            let desk = snapshot.desk.as_ref();
            let desk = desk.map(|desk| desk.alarms.contains(&Alarm::Silent));
            let silent: Vec<bool> = (snapshot.shown_sources())
                .map(|source| source.alarms.contains(&Alarm::Silent))
                .chain(desk)
                .collect();
            // The mix, then every source, then the desk: those that nobody sees have no meter.
            let hidden = snapshot.sources.iter().map(|source| source.hidden);
            let mut hidden = std::iter::once(false).chain(hidden);
            levels.retain(|_| !hidden.next().unwrap_or(false));
            self.view
                .show_levels(self.tongue.get(), &levels, silent_mix, &silent);
        }
        self.view.show_fetched(fetched);
    }

    fn on_heard(self: &Rc<Self>, heard: Heard) {
        let mut known = self.known.borrow_mut();
        let (mut fresh, mut lost) = (false, false);
        match heard {
            Heard::Snapshot(snapshot) => {
                let language = snapshot.language.as_deref().and_then(Tongue::parse);
                self.tongue.set(language.unwrap_or_else(Tongue::of_locale));
                known.history.on_snapshot(&snapshot.faults);
                known.state = State::Connected;
                known.snapshot = Some(*snapshot);
                fresh = true;
            }
            Heard::Event(event) => {
                known.history.on_event(&event);
                let known = &mut *known;
                match (*event, &mut known.snapshot) {
                    (Event::Stopped, _) => {
                        known.state = State::Stopped;
                        lost = true;
                    }
                    (Event::Device { .. }, _) => {
                        if matches!(known.card, Some(Card::Devices(_))) {
                            self.link.ask_devices();
                        }
                    }
                    (event, Some(snapshot)) => {
                        let until = snapshot.show.slate_until;
                        snapshot.apply(event);
                        // Taken away by hand, it may be put on again at once.
                        let due = until.is_some_and(|until| wall_clock() >= until);
                        if due && !snapshot.show.slate {
                            known.slate_went = Some(Instant::now());
                        }
                    }
                    (_, None) => {}
                }
            }
            Heard::Lost => {
                if known.state != State::Stopped {
                    known.state = State::Searching;
                }
                lost = true;
            }
            Heard::Trouble(reason) => known.trouble = reason,
            Heard::Devices(devices) => {
                drop(known);
                // It may have been closed while they were asked.
                if self.shows_devices() {
                    self.show_card(Some(Card::Devices(Some(devices))));
                }
                return;
            }
            Heard::Refused(refused) => {
                let text = self.refusal(&refused);
                known.refused = Some((text, Instant::now()));
                // What was asked for does not begin.
                if let Some(Card::Calibration(talk)) = &mut known.card
                    && talk.step == Step::Asked
                {
                    talk.step = Step::Reading;
                }
            }
        }
        if lost {
            known.selected = None;
        }
        // A question about an engine that is not there.
        let pointless = lost
            && matches!(
                known.card,
                Some(Card::StopOutput(..) | Card::Release { .. } | Card::Calibration(_))
            );
        if pointless {
            known.card_went = Some(Instant::now());
        }
        drop(known);
        if pointless {
            self.show_card(None);
        }
        if fresh || lost {
            self.forget_pictures();
        }
        if fresh {
            if let Some(engine) = &mut *self.own_engine.borrow_mut() {
                engine.on_answer();
            }
            // The widgets first: pictures are asked for as large as they are.
            self.show();
            self.ask_for_pictures();
        }
        self.show_soon();
    }

    /// Why something was not done, in the operator's language where regie has words for it.
    fn refusal(&self, refused: &Refused) -> String {
        let tongue = self.tongue.get();
        let known = match refused.code.as_str() {
            "late" => tongue.tr("The engine did not answer in time; nothing was changed."),
            "no-engine" => tongue.tr("The engine cannot be asked; what is on air shows."),
            "slow" | "stopping" => tongue.tr("The engine is slow or ending; what is on air shows."),
            _ => &refused.message,
        };
        known.to_owned()
    }

    /// What the snapshot says, where it is true.
    fn ask<T>(&self, question: impl FnOnce(&Snapshot) -> T) -> Option<T> {
        let known = self.known.borrow();
        let snapshot = known.snapshot.as_ref();
        snapshot
            .filter(|_| known.state == State::Connected)
            .map(question)
    }

    /// Has the window show what is known when all that waits has been heard: once, not once for each.
    fn show_soon(self: &Rc<Self>) {
        if self.stale.replace(true) {
            return;
        }
        let weak = Rc::downgrade(self);
        glib::idle_add_local_once(move || {
            if let Some(operator) = weak.upgrade() {
                operator.show();
            }
        });
    }

    /// Has the window show what is known.
    fn show(self: &Rc<Self>) {
        self.stale.set(false);
        let known = self.known.borrow();
        let tongue = self.tongue.get();
        let connected = known.state == State::Connected;
        self.stay_awake(connected);
        let said = self.said(&known);
        let own = Own {
            tongue,
            selected: known.selected.as_ref().map(|(role, _)| role),
            said: &said,
            connected,
            now: wall_clock(),
        };
        let is_new = match &known.snapshot {
            Some(snapshot) if connected => self.view.show(snapshot, &own),
            Some(snapshot) => self.view.show(&truth::unknown(snapshot), &own),
            None => {
                self.view.show_own(None, &own);
                false
            }
        };
        if is_new {
            // A guest has come or gone: pictures under way are for other screens.
            self.generation.set(self.generation.get() + 1);
            self.ask_later();
        }
        if let Some(Card::Faults) = known.card {
            let past = known.history.lines(tongue);
            self.view.show_card(tongue, Some(&Card::Faults), &past);
        }
        if let Some(Card::Calibration(talk)) = known.card.clone() {
            drop(known);
            self.show_calibration(&talk.source, talk.step);
        }
    }

    /// No blanked screen and no suspended laptop in the middle of a talk.
    fn stay_awake(&self, wanted: bool) {
        let Some(app) = self.view.window.application() else {
            return;
        };
        match (self.awake.get(), wanted) {
            (None, true) => {
                let what =
                    gtk::ApplicationInhibitFlags::IDLE | gtk::ApplicationInhibitFlags::SUSPEND;
                let reason = self.tongue.get().tr("A show is on air");
                let cookie = app.inhibit(Some(&self.view.window), what, Some(reason));
                self.awake.set(Some(cookie));
            }
            (Some(cookie), false) => {
                if cookie != 0 {
                    app.uninhibit(cookie);
                }
                self.awake.set(None);
            }
            _ => {}
        }
    }

    /// What the fault bar says.
    fn said(&self, known: &Known) -> Said {
        let tongue = self.tongue.get();
        let own_engine = self.own_engine.borrow();
        let trouble = own_engine.as_ref().and_then(|own| own.trouble(tongue));
        if let Some(text) = trouble.filter(|_| known.state != State::Connected) {
            return Said::own(Severity::Serious, text);
        }
        match (&known.state, &known.trouble) {
            (State::Searching | State::Stopped, Some(reason)) => {
                let text = tongue.tr("The engine does not start: {reason}");
                return Said::own(Severity::Serious, text.replace("{reason}", reason));
            }
            (State::Searching, None) => {
                let text = tongue.tr(
                    "No engine answers. The show may be running; this window comes back by itself.",
                );
                return Said::own(Severity::Serious, text.to_owned());
            }
            (State::Stopped, None) => {
                let text = tongue.tr("The engine has stopped. This window waits for its return.");
                return Said::own(Severity::Serious, text.to_owned());
            }
            (State::Connected, _) => {}
        }
        let faults = known.snapshot.as_ref().map_or(&[][..], |own| &own.faults);
        let worst = truth::worst(faults);
        let harmless = worst.is_none_or(|fault| fault.severity == Severity::Notice);
        let refused = known.refused.as_ref().map(|(message, _)| message);
        if let Some(message) = refused.filter(|_| harmless) {
            return Said::own(Severity::Notice, message.clone());
        }
        if harmless && !known.pictures {
            let text =
                tongue.tr("The engine sends no pictures. The show may be running all the same.");
            return Said::own(Severity::Warning, text.to_owned());
        }
        let mut said = worst.map_or_else(
            || Said::nothing(tongue),
            |fault| Said::fault(tongue, fault, faults.len()),
        );
        // A trouble stays in sight.
        if let Some(message) = refused {
            said.doing.clone_from(message);
        }
        said
    }
}

/// Full screen; where nobody manages windows, as large as the screen.
fn cover_screen(window: &gtk::Window) {
    let display = gtk::prelude::WidgetExt::display(window);
    let screen = display.monitors().item(0);
    if let Some(screen) = screen.and_downcast::<gtk::gdk::Monitor>() {
        let size = screen.geometry();
        window.set_default_size(size.width(), size.height());
    }
    window.fullscreen();
}

/// Milliseconds since 1970.
fn wall_clock() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap_or_default().as_millis() as u64
}
