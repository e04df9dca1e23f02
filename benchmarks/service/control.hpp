#pragma once
// Answers on `listener` for ever.
void serve_control(int listener);
