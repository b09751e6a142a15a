/* The protocol of the audit log: append, group commit, sign, crash, restore, admit, witness.
 *
 * Claims, in every interleaving within the bounds below:
 *   kept      what was acknowledged is in the log, unless a restored backup lacks it;
 *   one tree  no two signed checkpoints of one life that anybody outside was shown contradict each other;
 *   forward   what is published never becomes shorter within a life;
 *   honest    what a witness cosigned never contradicts itself, even if the holder of database and key rewrites history (-DINSIDER).
 *
 * Each guard can be taken out with -DNO_<guard>; a claim then fails. docs/formats/log-protocol.md says which guard is which code.
 * An entry is a number; a root is the sequence of numbers below it; a life of the log is its epoch.
 *
 *   spin -a log-protocol.pml && cc -O2 -DSAFETY -DCOLLAPSE -o pan pan.c && ./pan -E -m200000 -w24
 */

#ifndef ACTS
#define ACTS 2        /* acts that clients ask for */
#endif
#ifndef CRASHES
#define CRASHES 1     /* database sessions lost: a kill of the service, of the database, a cut connection */
#endif
#ifndef RESTORES
#define RESTORES 1
#endif
#define PLACES 5      /* acts, and the entry of an admission */
#define LIVES 2
#define FORGED 7      /* an entry nobody made */
#define ADMITTED 6    /* the entry of an admission */

/* The database: survives a crash as of the last commit. */
byte size, at[PLACES], life, row_size;
/* The anchor: a file elsewhere, which a restored backup does not touch. */
byte anchor_size, anchor_life, anchor_at[PLACES];
bool anchored;
/* A backup of the database. */
byte old_size, old_at[PLACES], old_row_size;
bool backed_up;
/* Sessions: work begun under an earlier one cannot be committed. */
byte session, head_lock, signer_lock, crashes, restores;
/* What the world outside holds. */
bool acked[PLACES + 3], gone[PLACES + 3];
byte shown_at[LIVES * PLACES], shown_size[LIVES];
byte cosigned_at[LIVES * PLACES];
bool forged;
/* The witness: durable state. */
byte witness_size[LIVES], witness_at[LIVES * PLACES];
byte next_act = 1;

#define FREE 255
#define DEAD (mine != session)

inline all_kept() {
    /* Every acknowledged act is in the log. */
    d_step {
        k = 1;
        do
        :: k <= ACTS ->
            if
            :: acked[k] && !gone[k] && !forged ->
                i = 0; found = false;
                do
                :: i < size -> found = found || at[i] == k; i++
                :: else -> break
                od;
                assert(found)          /* kept */
            :: else
            fi;
            k++
        :: else -> break
        od;
        k = 0; i = 0; found = false
    }
}

/* A service process that commits groups of acts. */
proctype Lane() {
    byte mine, start, first, count, k, i;
    bool found;
    do
    :: atomic { next_act <= ACTS -> mine = session; first = next_act; count = 1; next_act++;
           if
           :: next_act <= ACTS -> count = 2; next_act++     /* the group takes another waiting act along */
           :: true
           fi }
       atomic {
#ifndef NO_HEAD_LOCK
           (head_lock == FREE || DEAD) ->
           if
           :: DEAD -> goto lost
           :: else -> head_lock = _pid
           fi;
#endif
           start = size
       }
#ifdef NO_COMMIT_FIRST
       d_step { acked[first] = true; if :: count == 2 -> acked[first + 1] = true :: else fi }
#endif
       atomic {
           if
           :: DEAD -> goto lost
           :: else ->
               at[start] = first;
               if :: count == 2 -> at[start + 1] = first + 1 :: else fi;
               size = start + count;
               if :: head_lock == _pid -> head_lock = FREE :: else fi
           fi
       }
       /* Durable. The answer may reach its client at any time from here on. */
       atomic {
           acked[first] = true;
           if :: count == 2 -> acked[first + 1] = true :: else fi;
           /* A restore in between took it: the acknowledgement is of what was durable then. */
           i = 0; found = false;
           do :: i < size -> found = found || at[i] == first; i++ :: else -> break od;
           if :: !found && restores > 0 -> gone[first] = true; gone[first + 1] = true :: else fi;
           i = 0; found = false
       }
       all_kept();
lost:  atomic { first = 0; count = 0; start = 0; mine = 0 }
    :: atomic { next_act > ACTS -> break }
    od
}

inline check(refused) {
    /* audit.anchor.check: the stored log against what was signed. */
    refused = false;
    if
    :: anchored ->
        if
        :: anchor_life != life || size < anchor_size || size < row_size -> refused = true
        :: else ->
            i = 0;
            do
            :: i < anchor_size -> if :: anchor_at[i] != at[i] -> refused = true :: else fi; i++
            :: else -> break
            od;
            i = 0
        fi
    :: !anchored && row_size > 0 -> refused = true
    :: else
    fi;
#ifdef NO_ANCHOR_CHECK
    refused = false;
#endif
}

inline publish_to_world() {
    /* From here on anybody may hold this checkpoint. */
    i = 0;
    do
    :: i < s ->
        assert(forged || shown_at[l * PLACES + i] == 0 || shown_at[l * PLACES + i] == note[i]);   /* one tree */
        shown_at[l * PLACES + i] = note[i];
        i++
    :: else -> break
    od;
    i = 0;
    assert(forged || s >= shown_size[l]);                                                           /* forward */
    shown_size[l] = s
}

inline keep_anchor() {
    if
    :: anchored && anchor_life != l -> give_up = true          /* a note of another life: a signer that overslept a restore */
    :: anchored && anchor_life == l && anchor_size >= s -> skip
    :: else ->
        anchored = true; anchor_life = l; anchor_size = s; i = 0;
        do :: i < PLACES -> anchor_at[i] = note[i]; i++ :: else -> break od;
        i = 0
    fi
}

/* A service process that signs. */
proctype Signer() {
    byte mine, s, l, last, i;
    byte note[PLACES];
    bool refused, give_up;
    do
    :: atomic {
           (size > row_size) -> mine = session;
#ifndef NO_ONE_SIGNER
           (signer_lock == FREE) -> signer_lock = _pid;
#endif
           check(refused);
           if
           :: refused -> if :: signer_lock == _pid -> signer_lock = FREE :: else fi; goto again
           :: else
           fi;
           s = size; l = life; last = row_size; give_up = false; i = 0;
           do :: i < s -> note[i] = at[i]; i++ :: else -> break od;
           i = 0
       }
#ifndef NO_ANCHOR_FIRST
       d_step { keep_anchor() }
#endif
       atomic {
           if
           :: DEAD || give_up -> skip
#ifndef NO_SIGNED_ONCE
           :: !(DEAD || give_up) && row_size != last -> skip      /* compare-and-set on the last published size */
           :: !(DEAD || give_up) && row_size == last -> row_size = s; publish_to_world()
#else
           :: !(DEAD || give_up) -> row_size = s; publish_to_world()
#endif
           fi;
           if :: signer_lock == _pid && !DEAD -> signer_lock = FREE :: else fi
       }
#ifdef NO_ANCHOR_FIRST
       d_step { if :: !DEAD -> keep_anchor() :: else fi }
#endif
again: atomic { s = 0; l = 0; last = 0; mine = 0; refused = false; give_up = false; i = 0;
           do :: i < PLACES -> note[i] = 0; i++ :: else -> break od; i = 0 }
    :: atomic { timeout -> break }
    od
}

/* Whatever happens to the machine, and the people who look after it. */
proctype World() {
    byte i, k;
    bool refused, found;
    do
    :: atomic { crashes < CRASHES -> crashes++; session++; head_lock = FREE; signer_lock = FREE }
       all_kept()
    :: d_step { restores < RESTORES && !backed_up && size > 0 ->
           backed_up = true; old_size = size; old_row_size = row_size; i = 0;
           do :: i < PLACES -> old_at[i] = at[i]; i++ :: else -> break od; i = 0 }
    :: d_step { backed_up && restores < RESTORES ->
           restores++; session++; head_lock = FREE; signer_lock = FREE;
           /* What the backup lacks is lost, and known to be: whoever restores says so. */
           i = 0;
           do :: i < size -> if :: i >= old_size -> gone[at[i]] = true :: else fi; i++ :: else -> break od;
           size = old_size; row_size = old_row_size; i = 0;
           do :: i < PLACES -> at[i] = old_at[i]; i++ :: else -> break od; i = 0 }
    :: d_step { restores > 0 && life == 0 && size < PLACES && head_lock == FREE ->
           /* audit.restoring: the entry and the new life are one commit ... */
           check(refused);
           if
           :: refused -> at[size] = ADMITTED; size++;
#ifndef NO_NEW_LIFE
               life = 1;
#endif
               refused = false
           :: else
           fi }
    :: d_step { anchored && at[0] != 0 && (life == 1 && anchor_life == 0) ->
           /* ... and the anchor of the old life gives way afterwards. */
           anchor_life = 1; anchor_size = size; i = 0;
           do :: i < PLACES -> anchor_at[i] = at[i]; i++ :: else -> break od; i = 0 }
#ifdef NO_NEW_LIFE
    :: d_step { restores > 0 && anchored && size > 0 && at[size - 1] == ADMITTED && anchor_at[size - 1] != ADMITTED ->
           anchor_size = size; i = 0;
           do :: i < PLACES -> anchor_at[i] = at[i]; i++ :: else -> break od; i = 0 }
#endif
    :: atomic { timeout -> break }
    od
}

#ifdef INSIDER
/* Holds database, anchor and signing key, and rewrites the first entry once; the same key signs it. */
proctype Insider() {
    atomic { shown_size[0] > 0 && life == 0 -> forged = true; at[0] = FORGED; if :: anchored -> anchor_at[0] = FORGED :: else fi }
}
#endif

/* An office that keeps the newest checkpoint it saw, and cosigns what extends it. Its state is durable before it answers. */
proctype Witness() {
    byte l, s, i;
    bool refused;
    do
    :: atomic {
           (row_size > 0 && (life < LIVES) && row_size > witness_size[life]) ->
           l = life; s = row_size; refused = false; i = 0;
           do
           :: i < witness_size[l] -> if :: witness_at[l * PLACES + i] != at[i] -> refused = true :: else fi; i++
           :: else -> break
           od;
#ifdef NO_WITNESS_PROOF
           refused = false;
#endif
           i = 0;
           if
           :: refused -> skip
           :: else ->
               witness_size[l] = s;
               do
               :: i < s ->
                   witness_at[l * PLACES + i] = at[i];
                   assert(cosigned_at[l * PLACES + i] == 0 || cosigned_at[l * PLACES + i] == at[i]);   /* honest */
                   cosigned_at[l * PLACES + i] = at[i];
                   i++
               :: else -> break
               od;
               i = 0
           fi;
           l = 0; s = 0; 
           if :: refused -> break :: else fi
       }
    :: atomic { timeout -> break }
    od
}

init {
    atomic {
        head_lock = FREE; signer_lock = FREE;
        run Lane(); run Lane(); run Signer(); run Signer(); run World(); run Witness();
#ifdef INSIDER
        run Insider();
#endif
    }
}
