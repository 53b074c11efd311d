#pragma once
#include "../CGLib/shim.h"
#include <nice/agent.h>
