"""One file a step, each naming the step before it. A step that was released is never changed."""
