package meshotel_test

const childOf = "MESHOTEL_TEST_CHILD_OF"

func child(string) {}
