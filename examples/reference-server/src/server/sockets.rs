use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;

use super::StartError;
use crate::gateway::Gateway;
use crate::listener::{self, Bounds, Listener};
use crate::settings::Settings;

/// Both sockets, bound before anything else is done: what is taken is told at once.
pub(super) struct Sockets {
    gateway: TcpListener,
    pub(super) gateway_address: SocketAddr,
    control: TcpListener,
    pub(super) control_address: SocketAddr,
}

impl Sockets {
    pub(super) fn bind(settings: &Settings) -> Result<Self, StartError> {
        let bind = |address| {
            listener::bind(address).map_err(|source| StartError::Listen { address, source })
        };
        let (gateway, gateway_address) = bind(settings.gateway_address)?;
        let (control, control_address) = bind(settings.control_address)?;
        Ok(Self {
            gateway,
            gateway_address,
            control,
            control_address,
        })
    }

    pub(super) fn serve(
        self,
        gateway: Gateway,
        control: Router,
        bounds: Bounds,
    ) -> Result<(Listener, Listener), StartError> {
        let failed = |address| move |source| StartError::Listen { address, source };
        let gateway = Listener::start(self.gateway, gateway, bounds);
        let control = Listener::start(self.control, control, bounds);
        Ok((
            gateway.map_err(failed(self.gateway_address))?,
            control.map_err(failed(self.control_address))?,
        ))
    }
}
