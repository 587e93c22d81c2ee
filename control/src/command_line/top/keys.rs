//! What keys do.
//!
//! In: keys. Out: what is chosen, what is open, a verb that is wanted. Never: a kill without its word
//! typed out.

use operator::Request;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// What a kill is confirmed with.
pub(super) const WORD: &str = "kill";

/// What lies over the page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Over {
    #[default]
    Nothing,
    Help,
    /// The word as far as it is typed.
    Kill(String),
}

/// What a key led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Nothing,
    Leave,
    Act(Request),
}

/// Where a person is.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    /// Index of the chosen instrument.
    pub(super) chosen: usize,
    pub(super) over: Over,
}

impl Place {
    /// Takes a key; `count` instruments can be chosen from.
    pub(super) fn key(&mut self, key: KeyEvent, count: usize) -> Wish {
        if key.kind == KeyEventKind::Release {
            return Wish::Nothing;
        }
        if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
            return Wish::Leave;
        }
        if let Over::Kill(typed) = &mut self.over {
            match key.code {
                KeyCode::Enter if typed == WORD => {
                    self.over = Over::Nothing;
                    return Wish::Act(Request::Kill {
                        keep_positions: false,
                        reason: Some("fulcrum top".to_string()),
                    });
                }
                KeyCode::Esc | KeyCode::Enter => self.over = Over::Nothing,
                KeyCode::Backspace => {
                    typed.pop();
                }
                KeyCode::Char(one) if typed.len() < WORD.len() => typed.push(one),
                _ => {}
            }
            return Wish::Nothing;
        }
        let last = count.saturating_sub(1);
        self.chosen = self.chosen.min(last);
        match key.code {
            KeyCode::Char('q') => return Wish::Leave,
            KeyCode::Char('?') => {
                self.over = match self.over {
                    Over::Help => Over::Nothing,
                    _ => Over::Help,
                };
            }
            KeyCode::Esc if self.over == Over::Help => self.over = Over::Nothing,
            KeyCode::Char('p') => return Wish::Act(Request::Pause),
            KeyCode::Char('k') => self.over = Over::Kill(String::new()),
            KeyCode::Tab => {
                self.chosen = if self.chosen == last {
                    0
                } else {
                    self.chosen + 1
                };
            }
            KeyCode::Down | KeyCode::Right => self.chosen = (self.chosen + 1).min(last),
            KeyCode::Up | KeyCode::Left => self.chosen = self.chosen.saturating_sub(1),
            _ => {}
        }
        Wish::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(place: &mut Place, code: KeyCode) -> Wish {
        place.key(KeyEvent::from(code), 3)
    }

    #[test]
    fn a_kill_needs_its_word_and_enter() {
        let mut place = Place::default();
        let type_in = |place: &mut Place, text: &str| {
            press(place, KeyCode::Char('k'));
            for one in text.chars() {
                assert_eq!(press(place, KeyCode::Char(one)), Wish::Nothing);
            }
            press(place, KeyCode::Enter)
        };
        for wrong in ["", "kil", "kilt", "KILL"] {
            assert_eq!(type_in(&mut place, wrong), Wish::Nothing, "{wrong}");
            assert_eq!(place.over, Over::Nothing);
        }
        let done = type_in(&mut place, "kill");
        assert!(matches!(
            done,
            Wish::Act(Request::Kill {
                keep_positions: false,
                ..
            })
        ));
        press(&mut place, KeyCode::Char('k'));
        press(&mut place, KeyCode::Char('q'));
        assert_eq!(
            place.over,
            Over::Kill("q".to_string()),
            "no key leaves meanwhile"
        );
        press(&mut place, KeyCode::Esc);
        assert_eq!(place.over, Over::Nothing);
    }

    #[test]
    fn instruments_are_chosen_round_and_round() {
        let mut place = Place::default();
        for wanted in [1, 2, 0] {
            press(&mut place, KeyCode::Tab);
            assert_eq!(place.chosen, wanted);
        }
        press(&mut place, KeyCode::Up);
        assert_eq!(place.chosen, 0);
        for _ in 0..5 {
            press(&mut place, KeyCode::Down);
        }
        assert_eq!(place.chosen, 2);
        // Fewer of them, and what was chosen is gone.
        place.key(KeyEvent::from(KeyCode::Up), 1);
        assert_eq!(place.chosen, 0);
    }

    #[test]
    fn pause_is_at_once_and_control_c_always_leaves() {
        let mut place = Place::default();
        assert_eq!(
            press(&mut place, KeyCode::Char('p')),
            Wish::Act(Request::Pause)
        );
        press(&mut place, KeyCode::Char('k'));
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(place.key(interrupt, 1), Wish::Leave);
        place.over = Over::Nothing;
        assert_eq!(press(&mut place, KeyCode::Char('q')), Wish::Leave);
    }
}
