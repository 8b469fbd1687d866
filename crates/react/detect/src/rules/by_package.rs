//! Rules that remember something of each package.

use std::marker::PhantomData;

use linkward_evidence::event::Event;

use crate::Estate;
use crate::rule::{About, Fold, Rule};

/// A rule whose memory is one fold for each package.
#[derive(Debug)]
pub(crate) struct ByPackage<F> {
    about: &'static About,
    memory: PhantomData<fn() -> F>,
}

impl<F> ByPackage<F> {
    pub(super) const fn new(about: &'static About) -> Self {
        Self { about, memory: PhantomData }
    }
}

impl<F: Fold + Default + 'static> Rule for ByPackage<F> {
    fn about(&self) -> &'static About {
        self.about
    }

    fn key(&self, event: &Event, _: &Estate) -> Option<Box<str>> {
        event.package.clone()
    }

    fn fold(&self) -> Option<Box<dyn Fold>> {
        Some(Box::<F>::default())
    }
}
