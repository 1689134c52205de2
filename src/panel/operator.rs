//! Between the operator and the engine: keeps what the engine said, turns wishes into commands,
//! and has the window show the result. Lives on the GTK thread, waits for nothing.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use adw::prelude::*;
use gtk::glib;

use crate::model::{
    Command, Event, Gain, LayoutId, OutputId, RoleId, Severity, Snapshot, SourceId, Transition,
};
use crate::tongue::Tongue;

use super::Plan;
use super::action::{Act, Action, Answer};
use super::card::Card;
use super::fault_bar::Said;
use super::keys::{self, Key};
use super::link::{Heard, Link};
use super::own_engine::OwnEngine;
use super::past::History;
use super::pictures::Pictures;
use super::truth::{self, Link as State};
use super::view::{Own, View};

/// A selected role waits so long for its source.
const SELECTED: Duration = Duration::from_secs(10);
/// So long the window says why something was not done.
const REFUSED: Duration = Duration::from_secs(6);
/// Pictures are asked for anew when the window has kept its size for so long.
const SETTLED: Duration = Duration::from_millis(250);
/// A number field that nobody types into gives the keys back.
const TYPING: Duration = Duration::from_secs(5);

/// All that the panel knows.
#[derive(Debug, Default)]
struct Known {
    state: State,
    snapshot: Option<Snapshot>,
    selected: Option<(RoleId, Instant)>,
    transition: Transition,
    duration_ms: u32,
    direct: bool,
    card: Option<Card>,
    refused: Option<(String, Instant)>,
    history: History,
    typing: Option<Instant>,
}

/// The panel at work.
#[derive(Debug)]
pub struct Operator {
    plan: Plan,
    tongue: Cell<Tongue>,
    known: RefCell<Known>,
    view: View,
    link: Link,
    pictures: Pictures,
    own_engine: RefCell<Option<OwnEngine>>,
    /// Counts requests of pictures: what belongs to an older one is not drawn.
    generation: Cell<u64>,
    size: Cell<(i32, i32)>,
    resize: RefCell<Option<glib::SourceId>>,
    closing: Cell<bool>,
    seconds: Cell<u64>,
}

impl Operator {
    /// Opens the window and starts looking for the engine.
    pub fn open(app: &adw::Application, plan: Plan) -> std::io::Result<Rc<Self>> {
        let (link, heard) = Link::start(&plan.socket)?;
        let (pictures, woken) = Pictures::start(&plan.socket)?;
        let own_engine = plan.engine.as_ref();
        let own_engine = own_engine.and_then(|config| OwnEngine::start(&plan.socket, config));
        // A wish is carried out when the one before is: a widget that changes while the window
        // shows something must not find it busy.
        let (wishes, wished) = async_channel::unbounded();
        let act = Act::new(move |action| {
            // The receiver lives as long as the panel.
            let _ = wishes.try_send(action);
        });
        let operator = Rc::new(Self {
            view: View::new(app, &act),
            tongue: Cell::new(Tongue::of_locale()),
            known: RefCell::new(Known {
                duration_ms: 300,
                ..Known::default()
            }),
            plan,
            link,
            pictures,
            own_engine: RefCell::new(own_engine),
            generation: Cell::new(0),
            size: Cell::new((0, 0)),
            resize: RefCell::default(),
            closing: Cell::new(false),
            seconds: Cell::new(0),
        });
        operator.listen(wished, Self::carry_out);
        operator.listen(heard, Self::on_heard);
        operator.listen(woken, |operator, ()| operator.on_pictures());
        operator.watch_window();
        operator.refresh();
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
        }
        let weak = Rc::downgrade(self);
        window.connect_close_request(move |_| match weak.upgrade() {
            Some(operator) if !operator.may_close() => glib::Propagation::Stop,
            _ => glib::Propagation::Proceed,
        });
        let weak = Rc::downgrade(self);
        window.connect_realize(move |window| {
            let (Some(surface), weak) = (window.surface(), weak.clone()) else {
                return;
            };
            surface.connect_layout(move |_, width, height| {
                if let Some(operator) = weak.upgrade() {
                    operator.on_size(width, height);
                }
            });
        });
        let weak = Rc::downgrade(self);
        window.connect_scale_factor_notify(move |_| {
            if let Some(operator) = weak.upgrade() {
                operator.ask_later();
            }
        });
        let keys = gtk::EventControllerKey::new();
        keys.set_propagation_phase(gtk::PropagationPhase::Capture);
        let weak = Rc::downgrade(self);
        keys.connect_key_pressed(move |_, key, code, state| {
            let operator = weak.upgrade();
            operator.map_or(glib::Propagation::Proceed, |operator| {
                operator.on_key(key, code, state)
            })
        });
        window.add_controller(keys);
        let weak = Rc::downgrade(self);
        glib::timeout_add_local(Duration::from_millis(500), move || {
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
        if self.is_typing() {
            let since = self.known.borrow_mut().typing.get_or_insert(now).to_owned();
            if now.duration_since(since) > TYPING {
                self.leave_field();
            }
        } else {
            self.known.borrow_mut().typing = None;
        }
        let ticks = self.seconds.replace(self.seconds.get() + 1);
        if ticks.is_multiple_of(10) {
            self.view.tell_levels();
        }
        self.refresh();
    }

    fn on_size(self: &Rc<Self>, width: i32, height: i32) {
        if self.size.replace((width, height)) == (width, height) {
            return;
        }
        let weak = Rc::downgrade(self);
        // Not while the window is being laid out.
        glib::idle_add_local_once(move || {
            if let Some(operator) = weak.upgrade() {
                operator.view.fit(width, height);
                operator.ask_later();
            }
        });
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
        let known = self.known.borrow();
        let connected = known.state == State::Connected;
        let Some(snapshot) = known.snapshot.as_ref().filter(|_| connected) else {
            return;
        };
        match self.view.wanted(snapshot) {
            Some(views) => {
                self.generation.set(self.generation.get() + 1);
                self.pictures.request(self.generation.get(), views);
            }
            None => {
                drop(known);
                self.ask_later();
            }
        }
    }

    fn on_pictures(self: &Rc<Self>) {
        let mut fetched = self.pictures.take();
        let known = self.known.borrow();
        let Some(snapshot) = &known.snapshot else {
            return;
        };
        if known.state != State::Connected || fetched.generation != self.generation.get() {
            return;
        }
        let levels = std::mem::take(&mut fetched.levels);
        let audible = !snapshot.show.slate && !snapshot.show.programme.slots.is_empty();
        let sources = snapshot.sources.iter();
        let sound: Vec<bool> = sources
            .map(|source| source.state == "live" && !source.sound.is_empty())
            .collect();
        self.view
            .show_levels(self.tongue.get(), &levels, audible, &sound);
        self.view.show_fetched(fetched);
    }

    fn on_heard(self: &Rc<Self>, heard: Heard) {
        let mut known = self.known.borrow_mut();
        let (mut fresh, mut stale) = (false, false);
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
                match (*event, &mut known.snapshot) {
                    (Event::Stopped, _) => known.state = State::Stopped,
                    (event, Some(snapshot)) => snapshot.apply(event),
                    (_, None) => {}
                }
            }
            Heard::Lost => {
                if known.state != State::Stopped {
                    known.state = State::Searching;
                }
                known.selected = None;
                // A question about an engine that is not there.
                stale = matches!(known.card, Some(Card::StopOutput(..)));
            }
            Heard::Refused(refused) => {
                known.refused = Some((refused.message, Instant::now()));
            }
        }
        drop(known);
        if stale {
            self.show_card(None);
        }
        self.refresh();
        if fresh {
            self.ask_later();
        }
    }

    fn on_key(
        self: &Rc<Self>,
        key: gtk::gdk::Key,
        code: u32,
        state: gtk::gdk::ModifierType,
    ) -> glib::Propagation {
        let meaning = keys::meaning(key, code, state);
        if self.is_typing() {
            self.known.borrow_mut().typing = Some(Instant::now());
            match meaning {
                // The field takes the number first.
                Some(Key::Take | Key::Slate) => {
                    self.leave_field();
                    return glib::Propagation::Stop;
                }
                Some(Key::Layout(..)) => self.leave_field(),
                _ => return glib::Propagation::Proceed,
            }
        }
        let Some(meaning) = meaning else {
            return glib::Propagation::Proceed;
        };
        let asks = self.known.borrow().card.is_some();
        match meaning {
            Key::Slate if asks => self.carry_out(Action::Answer(Answer::Cancel)),
            Key::Press => {
                if let Some(focused) = gtk::prelude::GtkWindowExt::focus(&self.view.window) {
                    focused.activate();
                }
            }
            meaning => {
                if let Some(action) = self.meant(meaning) {
                    self.carry_out(action);
                }
            }
        }
        glib::Propagation::Stop
    }

    /// The wish behind a key, in this venue.
    fn meant(&self, key: Key) -> Option<Action> {
        let known = self.known.borrow();
        let snapshot = known.snapshot.as_ref();
        match key {
            Key::Layout(number, direct) => {
                let layout = snapshot?.layouts.get(number)?.id.clone();
                Some(Action::Layout { layout, direct })
            }
            Key::Take => Some(Action::Take(None)),
            Key::Mix => Some(Action::Take(Some(Transition::Mix))),
            Key::Morph => Some(Action::Take(Some(Transition::Morph))),
            Key::Slate => Some(Action::Slate),
            Key::Source(number) => Some(Action::Source(snapshot?.sources.get(number)?.id.clone())),
            Key::NextRole => Some(Action::NextRole),
            Key::Keys => Some(Action::Keys),
            Key::Faults => Some(Action::Faults),
            Key::Press => None,
        }
    }

    fn is_typing(&self) -> bool {
        let focused = gtk::prelude::GtkWindowExt::focus(&self.view.window);
        focused.is_some_and(|widget| widget.is::<gtk::Text>())
    }

    fn leave_field(&self) {
        // A spin button takes what was typed when it loses the focus.
        gtk::prelude::GtkWindowExt::set_focus(&self.view.window, None::<&gtk::Widget>);
        self.known.borrow_mut().typing = None;
    }

    fn carry_out(self: &Rc<Self>, action: Action) {
        match action {
            Action::Layout { layout, direct } => self.on_layout(layout, direct),
            Action::Take(transition) => self.take(None, transition),
            Action::Slate => {
                let on = self.ask(|snapshot| !snapshot.show.slate);
                if let Some(on) = on {
                    self.command(Command::Slate { on });
                }
            }
            Action::SelectRole(role) => self.select(role),
            Action::NextRole => self.next_role(),
            Action::Source(source) => self.on_source(source),
            Action::Gain(source, db) => {
                if let Some(gain) = Gain::from_db(db.clamp(-60.0, 12.0)) {
                    self.command(Command::Gain { source, gain });
                }
            }
            Action::Mute(source, mute) => self.command(Command::Mute { source, mute }),
            Action::Delay(source, delay_ms) => self.command(Command::Delay { source, delay_ms }),
            Action::Output(output) => self.on_output(output),
            Action::RunOutput(output, run) => self.command(Command::Output { output, run }),
            Action::ChooseTransition(transition) => {
                self.known.borrow_mut().transition = transition;
            }
            Action::Duration(duration_ms) => self.known.borrow_mut().duration_ms = duration_ms,
            Action::Direct(direct) => self.known.borrow_mut().direct = direct,
            Action::Faults => self.toggle_card(Card::Faults),
            Action::Keys => self.toggle_card(Card::Keys),
            Action::Close => {
                if self.may_close() {
                    self.close();
                }
            }
            Action::Answer(answer) => self.on_answer(answer),
        }
        self.refresh();
    }

    /// What the snapshot says, where it is true.
    fn ask<T>(&self, question: impl FnOnce(&Snapshot) -> T) -> Option<T> {
        let known = self.known.borrow();
        let snapshot = known.snapshot.as_ref();
        snapshot
            .filter(|_| known.state == State::Connected)
            .map(question)
    }

    fn command(&self, command: Command) {
        if self.known.borrow().state == State::Connected {
            self.link.send(command);
        }
    }

    fn on_layout(&self, layout: LayoutId, direct: bool) {
        let direct = direct || self.known.borrow().direct;
        if direct {
            self.take(Some(layout), None);
        } else {
            self.command(Command::Preview { layout });
        }
    }

    fn take(&self, layout: Option<LayoutId>, transition: Option<Transition>) {
        let (transition, duration_ms) = {
            let known = self.known.borrow();
            (transition.unwrap_or(known.transition), known.duration_ms)
        };
        self.command(Command::Take {
            layout,
            transition,
            duration_ms,
        });
    }

    fn select(&self, role: RoleId) {
        let mut known = self.known.borrow_mut();
        let again = known.selected.as_ref().is_some_and(|(own, _)| *own == role);
        known.selected = (!again).then(|| (role, Instant::now()));
    }

    fn next_role(&self) {
        let roles = self.ask(|snapshot| truth::roles(self.tongue.get(), snapshot));
        let mut known = self.known.borrow_mut();
        let roles = roles.unwrap_or_default();
        let next = match &known.selected {
            None => 0,
            Some((own, _)) => roles
                .iter()
                .position(|role| role.id == *own)
                .map_or(0, |at| at + 1),
        };
        known.selected = roles
            .get(next)
            .map(|role| (role.id.clone(), Instant::now()));
    }

    fn on_source(&self, source: SourceId) {
        let selected = self.known.borrow_mut().selected.take();
        match selected {
            Some((role, _)) => self.command(Command::Role {
                role,
                source: Some(source),
            }),
            None => {
                let hint = self
                    .tongue
                    .get()
                    .tr("Choose a role first, then its source.");
                self.known.borrow_mut().refused = Some((hint.to_owned(), Instant::now()));
            }
        }
    }

    fn on_output(self: &Rc<Self>, output: OutputId) {
        let found = self.ask(|snapshot| {
            let found = snapshot.outputs.iter().find(|own| own.id == output);
            found.map(|own| (own.label.clone(), own.state != "stopped"))
        });
        match found.flatten() {
            Some((_, false)) => self.command(Command::Output { output, run: true }),
            Some((label, true)) => self.show_card(Some(Card::StopOutput(output, label))),
            None => {}
        }
    }

    fn on_answer(self: &Rc<Self>, answer: Answer) {
        self.show_card(None);
        match answer {
            Answer::Cancel => {}
            Answer::StopOutput(output) => self.command(Command::Output { output, run: false }),
            Answer::LeaveRunning => self.close(),
            Answer::StopShow => {
                if let Some(engine) = self.own_engine.take() {
                    engine.stop();
                }
                self.close();
            }
        }
    }

    fn toggle_card(self: &Rc<Self>, card: Card) {
        let shown = self.known.borrow().card.as_ref() == Some(&card);
        self.show_card((!shown).then_some(card));
    }

    fn show_card(self: &Rc<Self>, card: Option<Card>) {
        let tongue = self.tongue.get();
        let past = self.known.borrow().history.lines(tongue);
        self.view.show_card(tongue, card.as_ref(), &past);
        self.known.borrow_mut().card = card;
    }

    /// Whether the window may close now; asks in the window where that is not sure.
    fn may_close(self: &Rc<Self>) -> bool {
        if self.closing.get() {
            return true;
        }
        if self.plan.kiosk {
            return false;
        }
        let own_engine = self.own_engine.borrow().is_some();
        if self.known.borrow().state != State::Connected && !own_engine {
            return true;
        }
        self.show_card(Some(Card::Close { own_engine }));
        false
    }

    fn close(&self) {
        self.closing.set(true);
        self.view.window.close();
    }

    /// Has the window show what is known.
    fn refresh(&self) {
        let known = self.known.borrow();
        let tongue = self.tongue.get();
        let connected = known.state == State::Connected;
        let said = self.said(&known);
        let own = Own {
            tongue,
            selected: known.selected.as_ref().map(|(role, _)| role),
            said: &said,
            connected,
            now: wall_clock(),
        };
        match &known.snapshot {
            Some(snapshot) => self.view.show(snapshot, &own),
            None => self.view.show_own(None, &own),
        }
    }

    /// What the fault bar says.
    fn said(&self, known: &Known) -> Said {
        let tongue = self.tongue.get();
        let failed = self
            .own_engine
            .borrow_mut()
            .as_mut()
            .and_then(OwnEngine::failure);
        if let Some(reason) = failed.filter(|_| known.state != State::Connected) {
            let text = tongue.tr("The engine does not start: {reason}");
            return Said::own(Severity::Serious, text.replace("{reason}", &reason));
        }
        match known.state {
            State::Searching => {
                let text = tongue.tr(
                    "No engine answers. The show may be running; this window comes back by itself.",
                );
                return Said::own(Severity::Serious, text.to_owned());
            }
            State::Stopped => {
                let text = tongue.tr("The engine has stopped. This window waits for its return.");
                return Said::own(Severity::Serious, text.to_owned());
            }
            State::Connected => {}
        }
        if let Some((message, _)) = &known.refused {
            return Said::own(Severity::Notice, message.clone());
        }
        let faults = known.snapshot.as_ref().map_or(&[][..], |own| &own.faults);
        match truth::worst(faults) {
            Some(fault) => Said::fault(tongue, fault, faults.len()),
            None => Said::nothing(tongue),
        }
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
