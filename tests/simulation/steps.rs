//! What may happen next.

use std::rc::Rc;
use std::time::Duration;

use monetization_core::consumer::Buyer;
use monetization_core::engine::CancelMode;
use monetization_core::flows::{Order, WebhookEndpoint};
use monetization_core::ids::SubscriptionId;
use monetization_core::invoice::InvoiceState;
use monetization_core::period::TimeZone;
use monetization_core::store::JobStart;
use monetization_engine_mock::faults::{Fault, Injection};
use monetization_engine_mock::provider::{Refusal, RefusalKind};
use monetization_engine_mock::transport::Operation;

use crate::world::{Alive, World, text};

#[path = "steps/use_of_it.rs"]
mod use_of_it;

const ORDERS_MAX: usize = 4;
const TASKS_MAX: usize = 40;
/// Polls in which a publisher that gets its turn has asked the engine.
const REFUSED_WITHIN: usize = 200;
/// Polls in which a publisher that takes over has mostly done so.
const TAKEN_OVER_WITHIN: u64 = 200;
/// For how long a publisher's claim lasts.
const LEASE: Duration = Duration::from_secs(60);

impl World {
    /// Lets one thing happen, and everything that is under way go on a little.
    pub(crate) fn step(&mut self) {
        match self.dice.below(100) {
            0..=34 => self.call(),
            35..=39 => self.report(),
            40..=42 => self.order(),
            43..=45 => self.change_a_subscription(),
            46..=49 => self.pay(),
            50..=61 => self.pass_a_moment(),
            62..=64 => self.pass_days(),
            65..=72 => self.run_jobs(),
            73..=78 => self.publish(),
            79..=86 => self.deliver(),
            87 | 88 => self.storm(),
            89 | 90 => self.disturb_the_engine(),
            91..=93 => self.die_or_start(),
            94 | 95 => self.pause_or_go_on(),
            96 => self.bury(),
            97 => self.set_a_clock(),
            _ => self.issue_a_key(),
        }
        let polls = self.dice.below(40);
        self.poll_some(polls);
        while self.runner.under_way() > TASKS_MAX && !self.able().is_empty() {
            self.poll_some(20);
            if self.nodes.iter().any(|node| node.paused) {
                break;
            }
        }
    }

    /// A node that can do something, if there is one.
    fn any(&self) -> Option<(usize, Alive)> {
        let able = self.able();
        let node = *self.dice.pick(&able)?;
        Some((node, self.nodes[node].alive.clone()?))
    }

    fn spawn(&mut self, node: &Alive, work: impl Future<Output = ()> + 'static) {
        self.runner.spawn(node.opening.0, &node.stop, work);
    }

    fn any_subscription(&self) -> Option<SubscriptionId> {
        let oracle = self.oracle.borrow();
        self.dice.pick(&oracle.keys).map(|(id, _)| *id)
    }

    /// Somebody orders, or sends an order again.
    pub(crate) fn order(&mut self) {
        let Some((node, alive)) = self.any() else {
            return;
        };
        let known = self.oracle.borrow().orders.clone();
        let name = match self.dice.pick(&known) {
            Some(name) if known.len() >= ORDERS_MAX || self.dice.once_in(2) => name.clone(),
            _ => {
                let name = format!("order-{}", known.len());
                self.oracle.borrow_mut().orders.push(name.clone());
                name
            }
        };
        let order = Order {
            consumer: self.market.consumer.id,
            buyer: Buyer {
                user_id: text("user-1"),
                name: text("user.one"),
            },
            application: None,
            plan: self.market.plan.id,
            time_zone: TimeZone::UTC,
            request_key: Some(text(&name)),
        };
        self.note(format!("node {node}: {name} is sent"));
        let (oracle, tenant) = (Rc::clone(&self.oracle), self.market.tenant.id);
        let monetizer = alive.monetizer.clone();
        self.spawn(&alive, async move {
            let Ok(ordered) = monetizer.subscribe(tenant, order).await else {
                return;
            };
            let id = ordered.subscription.id;
            let key = match ordered.key {
                Some((_, key)) => Ok(key),
                None => monetizer.issue_key(tenant, id).await.map(|(_, key)| key),
            };
            if let Ok(key) = key {
                oracle.borrow_mut().keys.push((id, key));
            }
        });
    }

    fn issue_a_key(&mut self) {
        let (Some((node, alive)), Some(id)) = (self.any(), self.any_subscription()) else {
            return;
        };
        self.note(format!("node {node}: another key for {id}"));
        let (oracle, tenant) = (Rc::clone(&self.oracle), self.market.tenant.id);
        let monetizer = alive.monetizer.clone();
        self.spawn(&alive, async move {
            if let Ok((_, key)) = monetizer.issue_key(tenant, id).await {
                oracle.borrow_mut().keys.push((id, key));
            }
        });
    }

    /// Cancels, blocks, unblocks, or moves to another version.
    fn change_a_subscription(&mut self) {
        let (Some((node, alive)), Some(id)) = (self.any(), self.any_subscription()) else {
            return;
        };
        let (tenant, monetizer) = (self.market.tenant.id, alive.monetizer.clone());
        let version = self.market.versions[usize::try_from(self.dice.below(2)).unwrap()].id;
        let kind = self.dice.below(10);
        let what = match kind {
            0 => "is cancelled",
            1 => "is cancelled for its period's end",
            2..=4 => "is blocked",
            5..=7 => "is unblocked",
            _ => "is moved",
        };
        self.note(format!("node {node}: {id} {what}"));
        // That it cannot be done is as good an answer as any.
        self.spawn(&alive, async move {
            match kind {
                0 => drop(monetizer.cancel(tenant, id, CancelMode::Now).await),
                1 => drop(monetizer.cancel(tenant, id, CancelMode::AtPeriodEnd).await),
                2..=4 => drop(monetizer.block(tenant, id).await),
                5..=7 => drop(monetizer.unblock(tenant, id).await),
                _ => drop(monetizer.migrate(tenant, id, version, None).await),
            }
        });
    }

    /// A customer pays what they owe, or tries to.
    fn pay(&mut self) {
        let owed: Vec<_> = self
            .provider
            .invoices()
            .into_iter()
            .filter(|invoice| matches!(invoice.state, InvoiceState::Open | InvoiceState::PastDue))
            .map(|invoice| invoice.id)
            .collect();
        let Some(invoice) = self.dice.pick(&owed).cloned() else {
            return;
        };
        if self.dice.once_in(4) {
            self.note(format!("{invoice}: a payment fails"));
            self.provider.fail_payment(invoice.as_str()).unwrap();
        } else {
            self.note(format!("{invoice} is paid"));
            self.provider.pay(invoice.as_str()).unwrap();
        }
    }

    fn pass_a_moment(&mut self) {
        let length = match self.dice.below(4) {
            0 => Duration::from_millis(self.dice.below(1_500)),
            1 => Duration::from_secs(self.dice.below(20)),
            2 => Duration::from_secs(self.dice.below(200)),
            _ => Duration::from_secs(self.dice.below(3_600)),
        };
        self.note(format!("{length:?} pass"));
        self.pass(length);
    }

    fn pass_days(&mut self) {
        // A process that is stopped for longer than an engine knows a batch again may report it
        // twice: nothing but the engine could know better.
        let hours = if self.nodes.iter().any(|node| node.paused) {
            self.dice.below(6)
        } else {
            self.dice.below(24 * 12)
        };
        self.note(format!("{hours} hours pass"));
        self.pass(Duration::from_secs(hours * 3_600));
    }

    pub(crate) fn run_jobs(&mut self) {
        let Some((node, alive)) = self.any() else {
            return;
        };
        self.note(format!("node {node}: jobs"));
        let (oracle, monetizer) = (Rc::clone(&self.oracle), alive.monetizer.clone());
        self.spawn(&alive, async move {
            if let Ok(report) = monetizer.run_jobs().await {
                let mut oracle = oracle.borrow_mut();
                for (id, why) in report.closed.parked {
                    oracle.violation(format!("{id} cannot be closed: {why}"));
                }
            }
        });
    }

    pub(crate) fn publish(&mut self) {
        let Some((node, alive)) = self.any() else {
            return;
        };
        self.publish_by(node, &alive);
        if self.is_told && self.dice.once_in(4) {
            self.stand_still_within_publishing(node);
        }
    }

    fn publish_by(&mut self, node: usize, alive: &Alive) {
        self.note(format!("node {node}: publishing"));
        let (tenant, monetizer) = (self.market.tenant.id, alive.monetizer.clone());
        self.spawn(alive, async move {
            if let Ok(JobStart::Started(run)) = monetizer.start_publishing(tenant).await {
                drop(monetizer.publish(tenant, run).await);
            }
        });
    }

    /// A publisher falls asleep anywhere, or when the engine has just refused it; perhaps for so long
    /// that another one may take over, and perhaps only until that one has done so.
    fn stand_still_within_publishing(&mut self, node: usize) {
        if self.dice.once_in(2) {
            let polls = self.dice.below(60);
            self.poll_some(polls);
        } else {
            self.provider
                .inject(Injection::next(Fault::NotSent).on(Operation::TakeUsage));
            let asked = self.reports_seen();
            for _ in 0..REFUSED_WITHIN {
                self.poll_some(1);
                if self.reports_seen() > asked {
                    break;
                }
            }
        }
        self.nodes[node].paused = true;
        self.note(format!("node {node} stands still within it"));
        if self.dice.once_in(2) {
            self.pass(LEASE + Duration::from_secs(1));
            if self.dice.once_in(2) {
                self.take_over_from(node);
            }
        }
    }

    /// How often use was reported to the engine, whether it answered or not.
    fn reports_seen(&self) -> usize {
        let seen = self.provider.calls().into_iter();
        seen.filter(|call| call.operation == Operation::TakeUsage)
            .count()
    }

    /// Another node publishes; then this one goes on where it stood.
    fn take_over_from(&mut self, node: usize) {
        let Some((other, alive)) = self.any() else {
            return;
        };
        self.publish_by(other, &alive);
        self.poll_some(TAKEN_OVER_WITHIN);
        self.nodes[node].paused = false;
        self.note(format!("node {node} goes on"));
    }

    /// Some of the provider's messages arrive, in any order, perhaps twice.
    pub(crate) fn deliver(&mut self) {
        let Some((node, alive)) = self.any() else {
            return;
        };
        let waiting = self.provider.deliveries();
        let mut arriving = Vec::new();
        for _ in 0..self.dice.below(6) {
            arriving.extend(self.dice.pick(&waiting).cloned());
        }
        self.note(format!(
            "node {node}: {} of {} messages",
            arriving.len(),
            waiting.len()
        ));
        let (provider, monetizer) = (self.provider.clone(), alive.monetizer.clone());
        self.spawn(&alive, async move {
            let (engine, secrets) = (text("mock"), provider.webhook_secrets());
            for message in arriving {
                let taken = monetizer.take_in(
                    WebhookEndpoint::new(&engine, &secrets),
                    &message.headers,
                    &message.body,
                );
                if taken.await.is_ok() {
                    provider.delivered(&[message.id]).unwrap();
                }
            }
        });
    }

    /// From now on, or until now, a store's calls fail now and then.
    fn storm(&mut self) {
        let Some((node, alive)) = self.any() else {
            return;
        };
        let stormy = self.dice.once_in(2);
        alive.stop.set_stormy(stormy);
        let how = if stormy {
            "fails now and then"
        } else {
            "works"
        };
        self.note(format!("node {node}: its store {how}"));
    }

    fn disturb_the_engine(&mut self) {
        let fault = match self.dice.below(5) {
            0 => Fault::NotSent,
            1 => Fault::Refuse(scripted(RefusalKind::Unavailable)),
            2 => Fault::Break(scripted(RefusalKind::Broken)),
            _ => Fault::LoseReply,
        };
        self.note(format!("the engine: {fault:?}"));
        let after = u32::try_from(self.dice.below(3)).unwrap();
        self.provider.inject(Injection::next(fault).after(after));
    }

    fn die_or_start(&mut self) {
        let node = usize::try_from(self.dice.below(2)).unwrap();
        if self.nodes[node].alive.is_none() {
            self.note(format!("node {node} starts"));
            self.start(node);
        } else if self.dice.once_in(2) {
            self.note(format!("node {node} dies"));
            self.kill(node);
        }
    }

    fn pause_or_go_on(&mut self) {
        let node = usize::try_from(self.dice.below(2)).unwrap();
        let paused = !self.nodes[node].paused;
        if self.nodes[node].alive.is_some() {
            self.nodes[node].paused = paused;
            let how = if paused { "stands still" } else { "goes on" };
            self.note(format!("node {node} {how}"));
        }
    }

    /// A node that stands still is taken for dead, and its blocks of quotas are taken back.
    fn bury(&mut self) {
        for node in 0..self.nodes.len() {
            let Some(alive) = self.nodes[node].alive.clone() else {
                continue;
            };
            // Nobody but its operating system says whether the owner of a file is dead.
            if self.nodes[node].paused && self.base.serves(1) {
                self.note(format!("node {node} is taken for dead"));
                self.take_for_dead(&alive);
            }
        }
    }

    fn set_a_clock(&mut self) {
        let node = usize::try_from(self.dice.below(2)).unwrap();
        let seconds = i64::try_from(self.dice.below(240)).unwrap() - 120;
        self.note(format!("node {node}: its clock is {seconds} s ahead"));
        self.skew(node, seconds);
    }
}

fn scripted(kind: RefusalKind) -> Refusal {
    Refusal::new(kind, "a scripted fault")
}
