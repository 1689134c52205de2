//! A real nginx with the RTMP module: what a transcoder and a room's relay look like from here.
//!
//! It runs as one single process, so that killing or freezing it stops everything at once, as
//! a machine does that loses its power or its network. It needs no root and touches none of
//! Debian's own nginx.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::process::{Process, Said};
use super::{free_port, wait_until};

/// An RTMP server with the applications `live`, `room`, `in`, and `keyed`, on ports that stay its own.
pub struct Nginx {
    folder: TempDir,
    process: Option<Process>,
    rtmp: u16,
    http: u16,
    rtmps: Option<u16>,
}

impl Nginx {
    /// A server that runs.
    #[track_caller]
    pub fn running() -> Self {
        let mut server = Self::absent();
        server.start();
        server
    }

    /// The same, with RTMPS on a second port under a certificate it signed itself.
    #[track_caller]
    pub fn running_with_tls() -> Self {
        let mut server = Self::absent();
        server.rtmps = Some(free_port());
        make_certificate(server.folder.path(), "key.pem", "certificate.pem");
        server.start();
        server
    }

    /// A server with an address, not started yet.
    #[track_caller]
    pub fn absent() -> Self {
        let folder = TempDir::with_prefix("regie-nginx-").expect("a temporary folder");
        Self {
            folder,
            process: None,
            rtmp: free_port(),
            http: free_port(),
            rtmps: None,
        }
    }

    /// Starts it, or starts it again, on its ports.
    #[track_caller]
    pub fn start(&mut self) {
        assert!(self.process.is_none(), "nginx runs already");
        let folder = self.folder.path();
        let config = folder.join("nginx.conf");
        std::fs::write(&config, self.config()).expect("nginx.conf");
        // Debian has it outside a plain user's search path.
        let mut command = Command::new("/usr/sbin/nginx");
        command
            .arg("-p")
            .arg(folder)
            .arg("-e")
            .arg(folder.join("error.log"))
            .arg("-c")
            .arg(&config);
        let mut process = Process::start("nginx", &mut command, &folder.join("nginx.log"));
        let ports: Vec<u16> = [self.rtmp, self.http]
            .into_iter()
            .chain(self.rtmps)
            .collect();
        wait_until(Duration::from_secs(5), "nginx listens", || {
            process.assert_running();
            ports
                .iter()
                .all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok())
        });
        self.process = Some(process);
    }

    /// Gone at once, without a farewell to anybody.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill9();
        }
    }

    /// Still there, but it reads and answers nothing.
    pub fn freeze(&mut self) {
        self.process.as_mut().expect("nginx runs").freeze();
    }

    pub fn thaw(&mut self) {
        self.process.as_mut().expect("nginx runs").thaw();
    }

    pub fn rtmp_url(&self, application: &str, name: &str) -> String {
        format!("rtmp://127.0.0.1:{}/{application}/{name}", self.rtmp)
    }

    /// By name, as the certificate has it.
    #[track_caller]
    pub fn rtmps_url(&self, application: &str, name: &str) -> String {
        let port = self.rtmps.expect("a server made by running_with_tls");
        format!("rtmps://localhost:{port}/{application}/{name}")
    }

    /// The self-signed certificate (PEM), for localhost and 127.0.0.1.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// From now on the application `keyed` takes every key; before, none.
    #[track_caller]
    pub fn accept_keys(&self) {
        std::fs::write(self.folder.path().join("accept"), "").expect("a file in nginx's folder");
    }

    #[track_caller]
    pub fn id(&self) -> u32 {
        self.process.as_ref().expect("nginx runs").id()
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.rtmp)
    }

    /// Is somebody publishing under this name now?
    pub fn publishing(&self, application: &str, name: &str) -> bool {
        self.stream(application, name).is_some_and(|stream| {
            // The same word marks the publishing client, inside its own element.
            stream
                .rsplit("</client>")
                .next()
                .is_some_and(|rest| rest.contains("<publishing/>"))
        })
    }

    /// Waits for a publisher; says how long that took.
    #[track_caller]
    pub fn wait_publishing(&self, application: &str, name: &str, deadline: Duration) -> Duration {
        let what = format!("somebody publishes {application}/{name}");
        wait_until(deadline, &what, || self.publishing(application, name))
    }

    /// What the stream has brought so far, in bytes.
    pub fn bytes_in(&self, application: &str, name: &str) -> u64 {
        let stream = self.stream(application, name).unwrap_or_default();
        element(&stream, "bytes_in")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0)
    }

    /// The statistics of one stream, as nginx-rtmp writes them.
    fn stream(&self, application: &str, name: &str) -> Option<String> {
        let page = statistics(self.http)?;
        let application = format!("<name>{application}</name>");
        let applications = page
            .split("<application>")
            .find(|part| part.trim_start().starts_with(&application))?;
        let name = format!("<name>{name}</name>");
        let streams = applications
            .split("<stream>")
            .find(|part| part.trim_start().starts_with(&name))?;
        Some(streams.split("</stream>").next()?.to_owned())
    }

    fn config(&self) -> String {
        let (rtmp, http) = (self.rtmp, self.http);
        // Root's private folder is closed to the user that nginx would become.
        let user = if is_root() { "user root;" } else { "" };
        let stream = self.rtmps.map_or_else(String::new, |port| {
            format!(
                "stream {{ server {{ listen 127.0.0.1:{port} ssl; proxy_pass 127.0.0.1:{rtmp};
                   ssl_certificate certificate.pem; ssl_certificate_key key.pem; }} }}"
            )
        });
        format!(
            "{user} daemon off; master_process off; pid nginx.pid; error_log error.log;
             load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
             load_module /usr/lib/nginx/modules/ngx_stream_module.so;
             events {{ worker_connections 512; }}
             rtmp {{ server {{ listen 127.0.0.1:{rtmp}; chunk_size 4096;
               application live {{ live on; }} application room {{ live on; }} application in {{ live on; }}
               application keyed {{ live on; on_publish http://127.0.0.1:{http}/keys; }} }} }}
             {stream}
             http {{ access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3;
               uwsgi_temp_path t4; scgi_temp_path t5;
               server {{ listen 127.0.0.1:{http}; location /stat {{ rtmp_stat all; }}
                 root .; location /keys {{ if (-f $document_root/accept) {{ return 200; }} return 403; }} }} }}"
        )
    }
}

/// What an nginx with RTMP says of itself at `/stat` on this port.
pub fn statistics(port: u16) -> Option<String> {
    let mut http = TcpStream::connect(("127.0.0.1", port)).ok()?;
    http.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    http.write_all(b"GET /stat HTTP/1.0\r\n\r\n").ok()?;
    let mut page = String::new();
    http.read_to_string(&mut page).ok()?;
    Some(page)
}

pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// A certificate that signs itself, and its key: files of these names in the folder, both as PEM.
#[track_caller]
pub fn make_certificate(folder: &Path, key: &str, certificate: &str) {
    let request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
                   -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1";
    Said::by(
        Command::new("openssl")
            .args(request.split_whitespace())
            .args(["-keyout", key, "-out", certificate])
            .current_dir(folder),
    )
    .assert_ok();
}

/// The text of the first element of this name.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let rest = xml.split_once(&format!("<{name}>"))?.1;
    Some(rest.split_once(&format!("</{name}>"))?.0)
}
