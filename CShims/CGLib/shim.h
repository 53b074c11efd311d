#pragma once
#include <gio/gio.h>
#include <glib-object.h>
#include <glib-unix.h>
#include <glib.h>
#include <sys/syscall.h>
#include <unistd.h>

/// A GSource without prepare or check: it is dispatched when its ready time has come. (sizeof(GSource) is a macro's work.)
static inline GSource *CGLib_source_new(GSourceFuncs *functions) {
  return g_source_new(functions, sizeof(GSource));
}

/// Disconnects every handler of `instance` that carries `data` (a macro in GObject).
static inline void CGLib_signal_disconnect_by_data(gpointer instance, gpointer data) {
  g_signal_handlers_disconnect_by_data(instance, data);
}

/// The kernel's number of the calling thread (glibc's own function is hidden from the importer, and `syscall` is variadic).
static inline gint32 CGLib_thread_id(void) {
  return (gint32)syscall(SYS_gettid);
}
