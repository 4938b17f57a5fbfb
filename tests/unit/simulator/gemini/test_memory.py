from fwai.simulator.gemini.memory import MAX_HANDLES, Conversation, Memory


def test_a_handle_leads_to_the_conversation_as_it_was() -> None:
    memory, conversation = Memory(), Conversation(turns=1)
    handle = memory.keep("m", conversation)
    conversation.turns = 2

    model, found = memory.recall(handle) or ("", Conversation())
    found.turns = 9

    assert model == "m"
    assert memory.recall(handle) == ("m", Conversation(turns=1))


def test_old_handles_stay_good_until_there_are_too_many() -> None:
    memory = Memory()
    handles = [memory.keep("m", Conversation()) for _ in range(MAX_HANDLES + 1)]

    assert memory.recall(handles[0]) is None
    assert memory.recall(handles[1]) is not None
    memory.forget()
    assert memory.recall(handles[-1]) is None


def test_the_whole_context_is_billed_each_turn() -> None:
    conversation = Conversation()
    conversation.read("12345678", by_agent=False)
    conversation.hear(2_000)

    assert conversation.bill(4_000, None) == (52, 100)
    assert conversation.bill(4_000, None) == (152, 100)


def test_compression_keeps_the_context_small() -> None:
    conversation = Conversation(context_tokens=90)

    conversation.bill(1_000, (100, 40))

    assert conversation.context_tokens == 40


def test_what_the_agent_said_before_replaces_the_greeting() -> None:
    conversation = Conversation()
    conversation.read("hello", by_agent=False)
    assert not conversation.greeted

    conversation.read("welcome", by_agent=True)
    assert conversation.greeted
