"""A question becomes an answer whose claims can be checked: the stages of the ``answer_request`` workflow.

``submission``    a request → a job and its execution
``planning``      the request checked, the question embedded, the retrievers named
``routing``       which retrievers a question needs, and why
``fusion``        what the retrievers found → evidence, or the reason there is none
``budgeting``     what the answer takes, and what is degraded when the budget does not hold it
``composition``   evidence, or compacted claims → the claims of the answer
``verification``  quotes that are not found word for word take their claim with them
``publication``   the answer with citations, coverage and ledger; or the abstention with its reasons
``rendering``     claims as text
``links``         addresses that citations lead to
``write_back``    an answer becomes an entry of another archive
``replay``        answers again, from what was recorded
``comparison``    what an answer says, as a hash; and what sets two answers apart
``failure``       what is recorded of an execution that failed
``configuring``   the configuration of answering, shown, checked and changed
``parts``         what the stages hand on through the lake
"""
