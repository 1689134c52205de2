//! The window: builds its widgets, and has them show what is so. Decides nothing.

use std::cell::RefCell;
use std::rc::Rc;

use adw::prelude::*;
use adw::subclass::prelude::*;
use gtk::glib;

use crate::model::monitor::{View as What, ViewRequest};
use crate::model::status::Tally;
use crate::model::{LayoutId, OutputId, RoleId, Snapshot, SourceId};
use crate::monitor::Levels;
use crate::tongue::Tongue;

use super::action::{Act, Action};
use super::board::{Board, Parts};
use super::card::{self, Card, Past};
use super::controls::Controls;
use super::fault_bar::{FaultBar, Said};
use super::geometry::{Content, text_size};
use super::header::Header;
use super::layout_button::LayoutButton;
use super::mix::Mix;
use super::monitor::Monitor;
use super::output_chip::OutputChip;
use super::pictures::Fetched;
use super::role_chip::RoleChip;
use super::row::Row;
use super::screen::Screen;
use super::seat::Seat;
use super::show::{set_class, set_name};
use super::strip::Strip;
use super::style::Style;
use super::template::template_widget;
use super::truth::{self, Air};

/// Pictures a second of the programme's monitor, the preview's, and a source's.
const RATES: [u32; 3] = [12, 8, 6];

mod imp {
    use super::*;

    #[derive(Debug, Default, gtk::CompositeTemplate)]
    #[template(file = "../../ui/window.ui")]
    pub struct Window {
        #[template_child]
        pub board: TemplateChild<Board>,
        #[template_child]
        pub card: TemplateChild<gtk::Box>,
    }

    template_widget!(Window, "RegieWindow", super::Window, adw::ApplicationWindow,
        uses [Board], is [WidgetImpl, WindowImpl, ApplicationWindowImpl, AdwApplicationWindowImpl]);
}

glib::wrapper! {
    /// The operator's window.
    pub struct Window(ObjectSubclass<imp::Window>)
        @extends adw::ApplicationWindow, gtk::ApplicationWindow, gtk::Window, gtk::Widget,
        @implements gio::ActionGroup, gio::ActionMap, gtk::Accessible, gtk::Buildable,
            gtk::ConstraintTarget, gtk::Native, gtk::Root, gtk::ShortcutManager;
}

/// What the window's moving parts were built for: another venue needs others.
#[derive(Debug, Clone, PartialEq, Default)]
struct Built {
    layouts: Vec<LayoutId>,
    roles: Vec<RoleId>,
    sources: Vec<SourceId>,
    desk: bool,
    outputs: Vec<OutputId>,
}

/// Widgets of which there is one for each layout, role, source, output.
#[derive(Debug, Default)]
struct Moving {
    layouts: Vec<LayoutButton>,
    roles: Vec<RoleChip>,
    seats: Vec<Seat>,
    strips: Vec<Strip>,
    outputs: Vec<OutputChip>,
}

/// The window and its widgets. Lives on the GTK thread.
#[derive(Debug)]
pub struct View {
    /// The window itself.
    pub window: Window,
    header: Header,
    preview: Monitor,
    programme: Monitor,
    controls: Controls,
    layouts: Row,
    roles: Row,
    sources: Row,
    strips: Row,
    mix: Mix,
    fault_bar: FaultBar,
    style: Rc<Style>,
    act: Act,
    built: RefCell<Built>,
    moving: RefCell<Moving>,
    /// What lies over the board, as it was filled in.
    card: RefCell<Option<(Card, Vec<Past>, Tongue)>>,
}

/// What the window shows of itself, besides the engine's truth.
#[derive(Debug, Clone)]
pub struct Own<'a> {
    /// Its language.
    pub tongue: Tongue,
    /// The role that waits for a source.
    pub selected: Option<&'a RoleId>,
    /// What the fault bar says.
    pub said: &'a Said,
    /// Whether the engine answers.
    pub connected: bool,
    /// Now, in milliseconds since 1970.
    pub now: u64,
}

impl View {
    /// A window of `app` that hands wishes to `act`.
    pub fn new(app: &adw::Application, act: &Act, kiosk: bool) -> Self {
        let window: Window = glib::Object::builder().property("application", app).build();
        let display = gtk::prelude::WidgetExt::display(&window);
        let view = Self {
            header: Header::new(act, kiosk),
            preview: Monitor::new(Tally::Preview),
            programme: Monitor::new(Tally::Programme),
            controls: Controls::new(act),
            layouts: glib::Object::new(),
            roles: glib::Object::new(),
            sources: glib::Object::new(),
            strips: glib::Object::new(),
            mix: Mix::default(),
            fault_bar: FaultBar::new(act),
            style: Rc::new(Style::apply(&display)),
            act: act.clone(),
            built: RefCell::default(),
            moving: RefCell::default(),
            card: RefCell::default(),
            window,
        };
        view.strips.set_last_extra(45);
        let sound = scrolled(&view.strips);
        sound.add_css_class("sound");
        view.window.imp().board.set_parts(Parts {
            header: view.header.clone().upcast(),
            preview: view.preview.clone().upcast(),
            controls: view.controls.clone().upcast(),
            programme: view.programme.clone().upcast(),
            layouts: scrolled(&view.layouts).upcast(),
            roles: scrolled(&view.roles).upcast(),
            sources: scrolled(&view.sources).upcast(),
            sound: sound.upcast(),
            faults: view.fault_bar.clone().upcast(),
        });
        view.strips
            .set_children(&[view.mix.clone().upcast::<gtk::Widget>()]);
        view
    }

    /// Calls `told` when the window has got another size, and everything in it.
    pub fn on_size(&self, told: impl Fn() + 'static) {
        let style = self.style.clone();
        let (layouts, roles, sources) = (
            self.layouts.clone(),
            self.roles.clone(),
            self.sources.clone(),
        );
        let (strips, outputs) = (self.strips.clone(), self.header.outputs().clone());
        let board = &self.window.imp().board;
        board.connect_size(move |width, height| {
            let em = text_size(width, height);
            let px = |ems: f64| (ems * em).round() as i32;
            style.set_text_size(em);
            let gap = px(0.6);
            layouts.set_limits(gap, px(10.0), width);
            roles.set_limits(gap, px(10.0), width);
            sources.set_limits(gap, px(11.0), width);
            strips.set_limits(px(0.4), px(4.6), px(9.0));
            outputs.set_limits(px(0.5), px(11.5), px(24.0));
            told();
        });
    }

    /// Shows what is so. Answers whether there are other widgets now, so that other pictures are
    /// wanted.
    pub fn show(&self, snapshot: &Snapshot, own: &Own<'_>) -> bool {
        let tongue = own.tongue;
        let is_new = self.build(tongue, snapshot);
        let moving = self.moving.borrow();
        let (programme, preview) = truth::buses(tongue, snapshot);
        let known = own.connected;
        self.programme.show(
            tongue,
            tongue.tr("Programme"),
            Some(&programme).filter(|_| known),
        );
        self.preview.show(
            tongue,
            tongue.tr("Preview"),
            Some(&preview).filter(|_| known),
        );
        self.controls.show(tongue, &truth::slate(snapshot, own.now));
        let roles = truth::roles(tongue, snapshot);
        let ids: Vec<String> = roles.iter().map(|role| role.id.to_string()).collect();
        for (button, layout) in moving.layouts.iter().zip(truth::layouts(tongue, snapshot)) {
            button.show(tongue, &layout, &ids);
        }
        let selected = roles.iter().position(|role| own.selected == Some(&role.id));
        let next = selected.map_or(0, |at| at + 1);
        for (i, (chip, role)) in moving.roles.iter().zip(&roles).enumerate() {
            chip.show(tongue, role, selected == Some(i), next == i);
        }
        set_class(&self.sources, "chooses", selected.is_some());
        let sources = truth::sources(tongue, snapshot, own.now);
        for ((seat, strip), source) in moving.seats.iter().zip(&moving.strips).zip(&sources) {
            seat.show(tongue, source);
            strip.show(tongue, source);
        }
        let desk = truth::desk(tongue, snapshot);
        if let (Some(desk), Some(strip)) = (desk, moving.strips.get(moving.seats.len())) {
            strip.show(tongue, &desk);
        }
        for (chip, output) in moving
            .outputs
            .iter()
            .zip(truth::outputs(tongue, snapshot, own.now))
        {
            chip.show(tongue, &output);
        }
        self.mix.show(tongue);
        let screens = Some(snapshot.relay.players).filter(|_| known);
        self.header.show(tongue, &snapshot.venue, screens);
        self.show_own(Some(snapshot), own);
        is_new
    }

    /// Shows what the window knows of itself, with or without an engine.
    pub fn show_own(&self, snapshot: Option<&Snapshot>, own: &Own<'_>) {
        let tongue = own.tongue;
        let board = &self.window.imp().board;
        set_class(&**board, "lost", !own.connected);
        for part in [
            self.controls.upcast_ref::<gtk::Widget>(),
            self.layouts.upcast_ref(),
            self.roles.upcast_ref(),
            self.sources.upcast_ref(),
            self.strips.upcast_ref(),
            self.header.outputs().upcast_ref(),
        ] {
            part.set_sensitive(own.connected);
        }
        let known = snapshot.filter(|_| own.connected);
        let air = known.map_or(Air::Unknown, |snapshot| truth::air(snapshot, own.now));
        let slate = known.is_some_and(|snapshot| snapshot.show.slate);
        self.header.show_air(tongue, &air, slate);
        if let Ok(now) = glib::DateTime::now_local()
            && let Ok(text) = now.format("%H:%M:%S")
        {
            self.header.show_clock(&text);
        }
        if snapshot.is_none() {
            self.header.show(tongue, "regie", None);
            self.controls.show(tongue, &truth::Slate::default());
            self.programme.show(tongue, tongue.tr("Programme"), None);
            self.preview.show(tongue, tongue.tr("Preview"), None);
            self.mix.show(tongue);
        }
        self.fault_bar.show(tongue, own.said);
        set_name(&self.layouts, tongue.tr("Layouts"));
        set_name(&self.roles, tongue.tr("Roles"));
        set_name(&self.sources, tongue.tr("Sources"));
        set_name(&self.strips, tongue.tr("Sound"));
        set_name(self.header.outputs(), tongue.tr("Outputs"));
    }

    /// Nothing is known of the pictures any more.
    pub fn black(&self, tongue: Tongue) {
        for screen in self.screens() {
            screen.show_picture(None);
        }
        self.show_levels(tongue, &[], false, &[]);
    }

    /// Makes the widgets of this venue, where they are not there yet.
    fn build(&self, tongue: Tongue, snapshot: &Snapshot) -> bool {
        let wanted = Built {
            layouts: snapshot.layouts.iter().map(|own| own.id.clone()).collect(),
            roles: (truth::roles(tongue, snapshot).into_iter())
                .map(|role| role.id)
                .collect(),
            sources: (snapshot.shown_sources())
                .map(|own| own.id.clone())
                .collect(),
            desk: snapshot.desk.is_some(),
            outputs: snapshot.outputs.iter().map(|own| own.id.clone()).collect(),
        };
        if *self.built.borrow() == wanted {
            return false;
        }
        let act = &self.act;
        let moving = Moving {
            layouts: (wanted.layouts.iter().enumerate())
                .map(|(i, id)| self.layout_button(i, id))
                .collect(),
            roles: (wanted.roles.iter().enumerate())
                .map(|(i, id)| RoleChip::new(id, i, act))
                .collect(),
            seats: (wanted.sources.iter().enumerate())
                .map(|(i, id)| Seat::new(i, id, act))
                .collect(),
            // The desk's is the last.
            strips: (wanted.sources.iter().cloned())
                .chain(wanted.desk.then(SourceId::desk))
                .map(|id| Strip::new(&id, act))
                .collect(),
            outputs: wanted
                .outputs
                .iter()
                .map(|id| OutputChip::new(id, act))
                .collect(),
        };
        self.layouts.set_children(&widgets(&moving.layouts));
        let roles: Vec<gtk::Widget> = moving
            .roles
            .iter()
            .map(|chip| chip.widget().clone().upcast())
            .collect();
        self.roles.set_children(&roles);
        let seats: Vec<gtk::Widget> = moving
            .seats
            .iter()
            .map(|seat| seat.widget().clone().upcast())
            .collect();
        self.sources.set_children(&seats);
        let mut strips = widgets(&moving.strips);
        strips.push(self.mix.clone().upcast());
        self.strips.set_children(&strips);
        self.header
            .outputs()
            .set_children(&widgets(&moving.outputs));
        self.window.imp().board.set_content(Content {
            strips: wanted.sources.len() + usize::from(wanted.desk),
            aspect: aspect(snapshot),
        });
        self.moving.replace(moving);
        self.built.replace(wanted);
        true
    }

    fn layout_button(&self, number: usize, id: &LayoutId) -> LayoutButton {
        let button = LayoutButton::new(number);
        let (id, act) = (id.clone(), self.act.clone());
        button.connect_clicked(move |button| {
            let seat = gtk::prelude::WidgetExt::display(button).default_seat();
            let keyboard = seat.and_then(|seat| seat.keyboard());
            let state = keyboard.map(|keyboard| keyboard.modifier_state());
            act.call(Action::Layout {
                layout: id.clone(),
                direct: state
                    .is_some_and(|state| state.contains(gtk::gdk::ModifierType::SHIFT_MASK)),
            });
        });
        button
    }

    /// All pictures: programme, preview, then the sources in the venue's order.
    fn screens(&self) -> Vec<Screen> {
        let moving = self.moving.borrow();
        let mut screens = vec![
            self.programme.screen().clone(),
            self.preview.screen().clone(),
        ];
        let tiles = moving.seats.iter().map(Seat::tile);
        screens.extend(tiles.map(|tile| tile.screen().clone()));
        screens
    }

    /// What is to be asked of the engine for the pictures as large as they are now; `None` while
    /// they have no place yet.
    pub fn wanted(&self, snapshot: &Snapshot) -> Option<Vec<ViewRequest>> {
        let mut whats = vec![What::Programme, What::Preview];
        let sources = snapshot.shown_sources();
        whats.extend(sources.map(|source| What::Source(source.id.clone())));
        let views = whats.into_iter().zip(self.screens());
        let (size, aspect) = (size(snapshot), aspect(snapshot));
        let views = views.map(|(of, screen)| {
            let rate = match of {
                What::Programme => RATES[0],
                What::Preview => RATES[1],
                What::Source(_) => RATES[2],
            };
            let most = match of {
                // More would be scaled up twice.
                What::Programme | What::Preview => size.0,
                What::Source(_) => u32::MAX,
            };
            let (width, height) = screen.wanted(aspect, most)?;
            Some(ViewRequest {
                of,
                width,
                height,
                rate,
            })
        });
        views.collect()
    }

    /// Draws what was fetched of those.
    pub fn show_fetched(&self, fetched: Fetched) {
        for (screen, frame) in self.screens().iter().zip(fetched.frames) {
            if let Some(frame) = frame {
                let texture = gtk::gdk::MemoryTexture::new(
                    frame.width as i32,
                    frame.height as i32,
                    gtk::gdk::MemoryFormat::B8g8r8a8Premultiplied,
                    &frame.pixels,
                    frame.stride,
                );
                screen.show_picture(Some(texture.upcast()));
            }
        }
    }

    /// Moves the meters: the mix, then the sources, then the desk. `silent`: what should be heard, and is not.
    pub fn show_levels(
        &self,
        tongue: Tongue,
        levels: &[Levels],
        silent_mix: bool,
        silent: &[bool],
    ) {
        let moving = self.moving.borrow();
        self.mix.show_levels(tongue, levels.first(), silent_mix);
        for (i, strip) in moving.strips.iter().enumerate() {
            let own = levels.get(i + 1);
            let silent = silent.get(i).copied().unwrap_or(false);
            if let Some(seat) = moving.seats.get(i) {
                seat.tile().meter().show_levels(own);
            }
            strip.show_levels(tongue, own, silent);
        }
    }

    /// Tells screen readers the levels; called seldom.
    pub fn tell_levels(&self) {
        self.mix.meter().tell();
        for strip in &self.moving.borrow().strips {
            strip.meter().tell();
        }
    }

    /// Lays a card over the board, or takes it away.
    pub fn show_card(&self, tongue: Tongue, card: Option<&Card>, past: &[Past]) {
        let place = &self.window.imp().card;
        let wanted = card.map(|card| (card.clone(), past.to_vec(), tongue));
        if *self.card.borrow() == wanted {
            return;
        }
        place.set_visible(card.is_some());
        if card.is_none() {
            gtk::prelude::GtkWindowExt::set_focus(&self.window, None::<&gtk::Widget>);
        }
        if let Some(card) = card {
            card::fill(place, tongue, card, past, &self.act);
        }
        self.card.replace(wanted);
    }
}

fn widgets(all: &[impl IsA<gtk::Widget>]) -> Vec<gtk::Widget> {
    all.iter().map(|one| one.clone().upcast()).collect()
}

/// Rows scroll when they hold more than fits.
fn scrolled(row: &Row) -> gtk::ScrolledWindow {
    gtk::ScrolledWindow::builder()
        .vscrollbar_policy(gtk::PolicyType::Never)
        .hscrollbar_policy(gtk::PolicyType::Automatic)
        .focusable(false)
        .child(row)
        .build()
}

/// The programme's width divided by its height.
fn aspect(snapshot: &Snapshot) -> f64 {
    let (width, height) = size(snapshot);
    f64::from(width) / f64::from(height)
}

/// The programme's size in pixels.
fn size(snapshot: &Snapshot) -> (u32, u32) {
    let numbers = snapshot.encoding.size.split_once('x');
    let numbers = numbers.and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    numbers
        .filter(|(width, height)| *width > 0 && *height > 0)
        .unwrap_or((1920, 1080))
}
