//! The operator's window. For now it says what there is: the show is run by `regie ctl`.

use std::process::ExitCode;

use gtk::prelude::*;

/// Opens the window and returns when it is closed.
pub fn run() -> ExitCode {
    let app = gtk::Application::builder()
        .application_id("org.regie.Panel")
        .build();
    app.connect_activate(|app| {
        let text = "The show is run from the command line for now:\nregie engine, regie ctl status, regie ctl take LAYOUT";
        let label = gtk::Label::builder().label(text).justify(gtk::Justification::Center).build();
        let window = gtk::ApplicationWindow::builder()
            .application(app)
            .title("regie")
            .default_width(640)
            .default_height(240)
            .child(&label)
            .build();
        window.present();
    });
    // The arguments are clap's.
    match app.run_with_args::<&str>(&[]) {
        code if code == glib::ExitCode::SUCCESS => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
