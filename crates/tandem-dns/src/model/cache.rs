//! Answers that were given, for as long as they count: between a floor and a ceiling, and longer while no server answers (RFC 8767).
//! It asks nobody; time is an argument.

use super::question::{Answer, Failure, Question, Records};
use std::collections::{HashMap, VecDeque};

/// Most answers that are kept; beyond it the oldest is forgotten.
pub const ANSWERS: usize = 10_000;

/// How long answers count, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// At least so long, whatever the record says.
    pub floor: u32,
    /// At most so long.
    pub ceiling: u32,
    /// That there is nothing, at most.
    pub nothing: u32,
    /// That a server failed or was silent.
    pub failed: u32,
    /// Records are given out so much longer while servers are away.
    pub stale: u32,
}

impl Default for Times {
    fn default() -> Self {
        Times { floor: 5, ceiling: 3_600, nothing: 300, failed: 10, stale: 3_600 }
    }
}

#[derive(Debug)]
struct Kept {
    answer: Answer,
    until_us: u64,
    /// What was no failure once, until when it may be given out although it is old; that there is nothing counts as well.
    stale_us: u64,
    number: u64,
}

/// Answers by question.
#[derive(Debug, Default)]
pub struct Cache {
    times: Times,
    kept: HashMap<Question, Kept>,
    /// Questions by age, with the number of the answer that they stand for.
    ages: VecDeque<(Question, u64)>,
    number: u64,
}

const SECOND: u64 = 1_000_000;

impl Cache {
    /// Empty.
    pub fn new(times: Times) -> Cache {
        Cache { times, ..Cache::default() }
    }

    /// An answer that still counts; its TTL is what is left of it.
    pub fn get(&self, question: &Question, now_us: u64) -> Option<Answer> {
        let kept = self.kept.get(question).filter(|kept| kept.until_us > now_us)?;
        let left = u32::try_from((kept.until_us - now_us).div_ceil(SECOND)).unwrap_or(u32::MAX);
        Some(match &kept.answer {
            Ok(records) => Ok(Records { ttl_seconds: left, ..records.clone() }),
            Err((why, _)) => Err((*why, left)),
        })
    }

    /// Keeps what was answered just now, and gives what is to be told: where servers failed and old records are not too old, those.
    pub fn put(&mut self, question: Question, answer: Answer, now_us: u64) -> Answer {
        let times = self.times;
        let answer = match answer {
            Ok(records) => Ok(Records { ttl_seconds: records.ttl_seconds.clamp(times.floor, times.ceiling.max(times.floor)), ..records }),
            Err((why, _)) if why.is_temporary() => match self.kept.remove(&question) {
                Some(Kept { answer, stale_us, .. }) if stale_us > now_us => {
                    let told = match answer {
                        Ok(records) => Ok(Records { stale: true, ttl_seconds: times.failed, ..records }),
                        Err((why, _)) => Err((why, times.failed)),
                    };
                    self.keep(question, told.clone(), times.failed, stale_us, now_us);
                    return told;
                }
                _ => Err((why, times.failed)),
            },
            Err((why, seconds)) => Err((why, seconds.clamp(times.floor, times.nothing.max(times.floor)))),
        };
        let seconds = answer.as_ref().map_or_else(|(_, seconds)| *seconds, |records| records.ttl_seconds);
        let is_fact = !answer.as_ref().is_err_and(|(why, _)| why.is_temporary());
        let stale_us = if is_fact { now_us + u64::from(seconds.saturating_add(times.stale)) * SECOND } else { 0 };
        if answer != Err((Failure::Busy, times.failed)) {
            self.keep(question, answer.clone(), seconds, stale_us, now_us);
        }
        answer
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.kept.clear();
        self.ages.clear();
    }

    fn keep(&mut self, question: Question, answer: Answer, seconds: u32, stale_us: u64, now_us: u64) {
        self.number += 1;
        self.ages.push_back((question.clone(), self.number));
        self.kept.insert(question, Kept { answer, until_us: now_us + u64::from(seconds) * SECOND, stale_us, number: self.number });
        while self.ages.len() > ANSWERS {
            if let Some((old, number)) = self.ages.pop_front() {
                if self.kept.get(&old).is_some_and(|kept| kept.number == number) {
                    self.kept.remove(&old);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::question::{Data, Kind};
    use super::*;

    fn question(name: &str) -> Question {
        Question::new(Kind::A, name)
    }

    fn records(ttl_seconds: u32) -> Answer {
        Ok(Records { data: vec![Data::Address("192.0.2.1".parse().unwrap())], ttl_seconds, stale: false })
    }

    fn at(seconds: u64) -> u64 {
        seconds * SECOND
    }

    #[test]
    fn an_answer_counts_between_floor_and_ceiling() {
        let mut cache = Cache::new(Times::default());
        let _ = cache.put(question("short"), records(0), 0);
        let _ = cache.put(question("long"), records(1_000_000), 0);
        assert_eq!(Some(records(2)), cache.get(&question("short"), at(3)));
        assert_eq!(None, cache.get(&question("short"), at(5)));
        assert_eq!(Some(records(1)), cache.get(&question("long"), at(3_599)));
        assert_eq!(None, cache.get(&question("long"), at(3_600)));
    }

    #[test]
    fn old_records_are_told_while_servers_are_away_and_not_for_ever() {
        let mut cache = Cache::new(Times::default());
        let _ = cache.put(question("a"), records(60), 0);
        let stale = Ok(Records { stale: true, ttl_seconds: 10, ..records(0).unwrap() });
        assert_eq!(stale, cache.put(question("a"), Err((Failure::TimedOut, 0)), at(100)));
        assert_eq!(Some(stale.clone()), cache.get(&question("a"), at(100)));
        assert_eq!(None, cache.get(&question("a"), at(110)), "asked again after ten seconds");
        assert_eq!(stale, cache.put(question("a"), Err((Failure::Refused, 0)), at(3_659)));
        assert_eq!(Err((Failure::TimedOut, 10)), cache.put(question("a"), Err((Failure::TimedOut, 0)), at(3_670)));
        assert_eq!(Some(Err((Failure::TimedOut, 1))), cache.get(&question("a"), at(3_679)));
    }

    #[test]
    fn a_fact_is_believed_at_once() {
        let mut cache = Cache::new(Times::default());
        let _ = cache.put(question("a"), records(60), 0);
        assert_eq!(Err((Failure::NoName, 300)), cache.put(question("a"), Err((Failure::NoName, 86_400)), at(61)));
        assert_eq!(Err((Failure::NoName, 10)), cache.put(question("a"), Err((Failure::TimedOut, 0)), at(400)), "and stays one");
        assert_eq!(Err((Failure::TimedOut, 10)), cache.put(question("a"), Err((Failure::TimedOut, 0)), at(4_000)));
    }

    #[test]
    fn the_oldest_is_forgotten_beyond_the_limit() {
        let mut cache = Cache::new(Times::default());
        for n in 0..=ANSWERS {
            let _ = cache.put(question(&format!("n{n}")), records(60), 0);
        }
        assert_eq!(ANSWERS, cache.kept.len());
        assert_eq!(None, cache.get(&question("n0"), 1));
        for _ in 0..2 * ANSWERS {
            let _ = cache.put(question("n5"), records(60), 0);
        }
        assert!(cache.ages.len() <= ANSWERS && cache.get(&question("n5"), 1).is_some());
    }
}
