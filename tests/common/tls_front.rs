//! TLS in front of a server that has none: nginx passes on what it has decrypted.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::process::{Process, Said};
use super::{free_port, wait_until};

/// A door with TLS; dropped, it is shut.
pub struct TlsFront {
    folder: TempDir,
    port: u16,
    _process: Process,
}

impl TlsFront {
    /// In front of this port of this machine, with a certificate for `localhost` that it has signed itself.
    #[track_caller]
    pub fn of(behind: u16) -> Self {
        let folder = TempDir::with_prefix("regie-tls-").expect("a temporary folder");
        let path = folder.path();
        let request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
                       -subj /CN=localhost -addext subjectAltName=DNS:localhost \
                       -keyout key.pem -out certificate.pem";
        let mut command = Command::new("openssl");
        command.args(request.split_whitespace()).current_dir(path);
        Said::by(&mut command).assert_ok();
        let port = free_port();
        let config = format!(
            "daemon off; master_process off; pid nginx.pid; error_log error.log;
             load_module /usr/lib/nginx/modules/ngx_stream_module.so;
             events {{ worker_connections 64; }}
             stream {{ server {{ listen 127.0.0.1:{port} ssl; proxy_pass 127.0.0.1:{behind};
               ssl_certificate certificate.pem; ssl_certificate_key key.pem; }} }}"
        );
        std::fs::write(path.join("nginx.conf"), config).expect("nginx.conf");
        let mut command = Command::new("/usr/sbin/nginx");
        command
            .arg("-p")
            .arg(path)
            .arg("-e")
            .arg(path.join("error.log"));
        command.arg("-c").arg(path.join("nginx.conf"));
        let mut process = Process::start("nginx", &mut command, &path.join("nginx.log"));
        wait_until(Duration::from_secs(5), "nginx listens", || {
            process.assert_running();
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Self {
            folder,
            port,
            _process: process,
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The certificate, as PEM.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }
}
