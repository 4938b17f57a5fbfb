from fwai.faults.schedule import schedules


def test_a_seed_makes_the_same_calls_whatever_their_number() -> None:
    few, many = schedules(5, seed=7), schedules(40, seed=7)

    assert few == many[:5]
    assert few != schedules(5, seed=8)
    assert all(plan.steps[-1].say == "goodbye" and plan.row.hits for plan in many)
    assert {plan.row.human for plan in many} == {True, False}
