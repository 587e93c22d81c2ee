//! Answers that are given once: a call that is repeated with its `Idempotency-Key` gets the answer
//! of the first one, and nothing is carried out again.
//!
//! In: a caller's key and what was asked. Out: go on, or the answer of before. Never: the same key
//! for two questions; a second try of a call whose end nobody saw.

use super::{AuditEntry, Store, StoreError, audit, now_utc_ms};
use rusqlite::{OptionalExtension, TransactionBehavior, params};

/// How long an answer is kept.
const KEPT_MS: i64 = 24 * 60 * 60 * 1_000;

/// Hash of the question, and the answer once there is one.
type Kept = (Vec<u8>, Option<u16>, Option<Vec<u8>>);

/// What is asked, and by whom.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The key's name, or the socket.
    pub caller: &'a str,
    /// The caller's `Idempotency-Key`.
    pub key: &'a str,
    /// Hash of route and body.
    pub hash: [u8; 32],
}

/// An answer of before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: Vec<u8>,
}

/// What follows from a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is new: carry it out.
    New,
    /// It was answered.
    Answered(Answered),
    /// It was begun, and its end is not known.
    Unanswered,
    /// The key was used for another question.
    Other,
}

impl Store {
    /// Claims a key for a question, and notes the call where it is new: both or none. With the
    /// note's id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn claim(
        &self,
        question: &Question<'_>,
        entry: AuditEntry<'_>,
    ) -> Result<(Claim, i64), StoreError> {
        let mut connection = self.lock();
        let now = now_utc_ms();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute("DELETE FROM answers WHERE utc_ms < ?1", [now - KEPT_MS])?;
        let known: Option<Kept> = transaction
            .query_row(
                "SELECT question, status, body FROM answers WHERE caller = ?1 AND key = ?2",
                params![question.caller, question.key],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .optional()?;
        let claim = match known {
            Some((hash, ..)) if hash != question.hash => Claim::Other,
            Some((_, Some(status), body)) => Claim::Answered(Answered {
                status,
                body: body.unwrap_or_default(),
            }),
            Some(_) => Claim::Unanswered,
            None => {
                transaction.execute(
                    "INSERT INTO answers (caller, key, question, utc_ms) VALUES (?1, ?2, ?3, ?4)",
                    params![question.caller, question.key, question.hash, now],
                )?;
                let id = audit::note(&transaction, entry)?;
                transaction.commit()?;
                return Ok((Claim::New, id));
            }
        };
        transaction.commit()?;
        Ok((claim, 0))
    }

    /// Keeps the answer.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn keep_answer(
        &self,
        question: &Question<'_>,
        answer: &Answered,
    ) -> Result<(), StoreError> {
        self.lock().execute(
            "UPDATE answers SET status = ?3, body = ?4 WHERE caller = ?1 AND key = ?2",
            params![question.caller, question.key, answer.status, answer.body],
        )?;
        Ok(())
    }

    /// Nothing was carried out: the key may be used again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn release(&self, caller: &str, key: &str) -> Result<(), StoreError> {
        let sql = "DELETE FROM answers WHERE caller = ?1 AND key = ?2 AND status IS NULL";
        self.lock().execute(sql, params![caller, key])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Folder;
    use super::*;

    #[test]
    fn a_repeated_question_gets_the_first_answer_and_is_carried_out_once() {
        let folder = Folder::new("answers");
        let store = folder.store();
        let question = |caller, hash| Question {
            caller,
            key: "1",
            hash: [hash; 32],
        };
        let claim = |store: &Store, question: Question<'_>| {
            let entry = AuditEntry {
                utc_ms: 1,
                caller: question.caller,
                address: "",
                act: "resume",
                arguments: "{}",
            };
            store.claim(&question, entry).unwrap().0
        };
        assert_eq!(claim(&store, question("a", 1)), Claim::New);
        // Its answer got lost with the process: nobody knows.
        drop(store);
        let store = folder.store();
        assert_eq!(claim(&store, question("a", 1)), Claim::Unanswered);
        assert_eq!(claim(&store, question("a", 2)), Claim::Other);
        store.release("a", "1").unwrap();
        assert_eq!(claim(&store, question("a", 1)), Claim::New);
        assert_eq!(
            claim(&store, question("b", 2)),
            Claim::New,
            "keys are a caller's own"
        );
        let answer = Answered {
            status: 409,
            body: b"no".to_vec(),
        };
        store.keep_answer(&question("a", 1), &answer).unwrap();
        assert_eq!(claim(&store, question("a", 1)), Claim::Answered(answer));
    }
}
