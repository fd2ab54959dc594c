//! What a leg may ask for so that it is heard better: its echo or its noise taken out. How that is done is elsewhere.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::denoise::Denoiser;
use super::echo::Canceller;

/// Places that legs of one thread may take at one time; each is half a hundredth of a core.
pub const PLACES: u32 = 100;
/// What a leg without noise takes, and one without echo.
const NOISE_PLACES: u32 = 1;
const ECHO_PLACES: u32 = 4;

/// What is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Wish {
    /// Noise.
    pub noise: bool,
    /// The echo of what it hears.
    pub echo: bool,
}

impl Wish {
    /// Anything at all.
    pub fn any(self) -> bool {
        self.noise || self.echo
    }

    fn places(self) -> u32 {
        u32::from(self.noise) * NOISE_PLACES + u32::from(self.echo) * ECHO_PLACES
    }
}

/// Places of one thread.
#[derive(Debug, Default)]
pub struct Places {
    taken: Arc<AtomicU32>,
    refused: Cell<u32>,
}

impl Places {
    /// Makes what a leg has into what it asks for at `rate` Hz. Where all [`PLACES`] are taken, or nothing can be made of the rate, it has
    /// nothing.
    pub fn fit(&self, cleaner: &mut Option<Cleaner>, wish: Wish, rate: u32) {
        let fits = cleaner.as_ref().map_or(!wish.any(), |cleaner| (cleaner.wish, cleaner.rate) == (wish, rate));
        if fits {
            return;
        }
        *cleaner = None;
        match Place::take(&self.taken, wish.places()) {
            Some(place) => *cleaner = Cleaner::new(wish, rate, place),
            None => self.refused.set(self.refused.get().saturating_add(1)),
        }
    }

    /// How many found no place since the last question.
    pub fn refused(&self) -> u32 {
        self.refused.take()
    }
}

/// Places that are taken while it lives.
#[derive(Debug)]
struct Place {
    taken: Arc<AtomicU32>,
    count: u32,
}

impl Place {
    fn take(taken: &Arc<AtomicU32>, count: u32) -> Option<Place> {
        let room = taken.load(Ordering::Relaxed) + count <= PLACES;
        room.then(|| {
            taken.fetch_add(count, Ordering::Relaxed);
            Place { taken: taken.clone(), count }
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.fetch_sub(self.count, Ordering::Relaxed);
    }
}

/// Of one leg.
#[derive(Debug)]
pub struct Cleaner {
    wish: Wish,
    rate: u32,
    echo: Option<Canceller>,
    noise: Option<Denoiser>,
    _place: Place,
}

impl Cleaner {
    /// `None`: there is no wish, or nothing can be made of the rate.
    fn new(wish: Wish, rate: u32, place: Place) -> Option<Cleaner> {
        let echo = if wish.echo { Some(Canceller::new(rate)?) } else { None };
        let noise = if wish.noise { Some(Denoiser::new(rate)?) } else { None };
        wish.any().then_some(Cleaner { wish, rate, echo, noise, _place: place })
    }

    /// Its peer hears nothing in this turn.
    pub fn hears_nothing(&mut self) {
        if let Some(echo) = &mut self.echo {
            echo.hears_nothing();
        }
    }

    /// What its peer is about to hear, a turn of 20 ms. To be called once for each turn, in silence too.
    pub fn hears(&mut self, frame: &[i16]) {
        if let Some(echo) = &mut self.echo {
            echo.hears(frame);
        }
    }

    /// Overwrites what its peer said in a turn of 20 ms.
    pub fn run(&mut self, frame: &mut [i16]) {
        // Echo first: it is found by what was heard, and the network would have bent it.
        if let Some(echo) = &mut self.echo {
            echo.run(frame);
        }
        if let Some(noise) = &mut self.noise {
            noise.run(frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOISE: Wish = Wish { noise: true, echo: false };

    const ECHO: Wish = Wish { noise: false, echo: true };

    #[test]
    fn no_more_legs_have_it_than_a_thread_can_serve() {
        let places = Places::default();
        let mut legs: Vec<Option<Cleaner>> = (0..=PLACES).map(|_| None).collect();
        legs.iter_mut().for_each(|leg| places.fit(leg, NOISE, 8_000));
        assert_eq!((PLACES as usize, 1, 0), (legs.iter().flatten().count(), places.refused(), places.refused()));
        places.fit(&mut legs[0], Wish::default(), 8_000);
        places.fit(legs.last_mut().unwrap(), NOISE, 8_000);
        assert_eq!((false, true, 0), (legs[0].is_some(), legs.last().unwrap().is_some(), places.refused()));
        places.fit(&mut legs[1], ECHO, 8_000);
        assert_eq!((true, 1), (legs[1].is_none(), places.refused()), "four places for one that was left");
        legs.truncate(4);
        places.fit(&mut legs[1], ECHO, 8_000);
        assert!(legs[1].is_some());
    }

    #[test]
    fn who_has_what_it_asks_for_keeps_it_and_another_wish_or_rate_begins_anew() {
        let (places, mut leg) = (Places::default(), None);
        places.fit(&mut leg, NOISE, 8_000);
        places.fit(&mut leg, Wish { echo: true, ..NOISE }, 16_000);
        let cleaner = leg.as_ref().unwrap();
        assert_eq!((16_000, true, true), (cleaner.rate, cleaner.echo.is_some(), cleaner.noise.is_some()));
        assert_eq!(NOISE_PLACES + ECHO_PLACES, places.taken.load(Ordering::Relaxed));
        places.fit(&mut leg, NOISE, 7_000);
        assert_eq!((true, 0), (leg.is_none(), places.taken.load(Ordering::Relaxed)));
    }
}
