#pragma once
#include "../CGLib/shim.h"
#include <pulse/glib-mainloop.h>
#include <pulse/pulseaudio.h>
