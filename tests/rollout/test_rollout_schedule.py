from __future__ import annotations

import threading

from ise_env.intents.model import Intent
from ise_env.rollout.plan import Job
from ise_env.rollout.schedule import Schedule


def jobs(n: int):
    intent = Intent(id="i", utterance="go")
    return (Job(intent, "", 0, seed, str(seed)) for seed in range(n))


def test_every_job_is_played_once_by_many_threads():
    schedule, played, guard = Schedule(jobs(200)), [], threading.Lock()

    def work():
        while (job := schedule.next()) is not None:
            with guard:
                played.append((job.seed, job.attempt))
            if job.seed % 7 == 0 and job.attempt < 3:
                schedule.retry(job, 0.001)
            else:
                schedule.done()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    again = [(s, a) for s in range(0, 200, 7) for a in (2, 3)]
    assert sorted(played) == sorted([(s, 1) for s in range(200)] + again)


def test_stop_hands_out_nothing_more_and_wakes_those_who_wait():
    schedule = Schedule(jobs(1))
    job = schedule.next()
    got = []
    waiting = threading.Thread(target=lambda: got.append(schedule.next()))
    waiting.start()
    schedule.stop()
    waiting.join(10)
    assert got == [None]
    schedule.retry(job, 0.0)
    assert schedule.next() is None
