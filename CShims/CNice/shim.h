#pragma once
#include "../CGLib/shim.h"
#include <nice/agent.h>
#include <stun/stunagent.h>
#include <stun/usages/bind.h>
#include <stun/usages/turn.h>

/// From <nice/interfaces.h>, which includes "address.h" by a name that only nice.pc's include path resolves.
GList *nice_interfaces_get_local_ips(gboolean include_loopback);

/// Sets a boolean property (g_object_set is variadic).
static inline void CNice_set_flag(NiceAgent *agent, const char *name, gboolean value) {
  g_object_set(agent, name, value, NULL);
}

/// Sets an unsigned property (g_object_set is variadic).
static inline void CNice_set_number(NiceAgent *agent, const char *name, guint value) {
  g_object_set(agent, name, value, NULL);
}

/// Sets a string property (g_object_set is variadic).
static inline void CNice_set_text(NiceAgent *agent, const char *name, const char *value) {
  g_object_set(agent, name, value, NULL);
}

/// Typed connection of `new-candidate-full` (g_signal_connect is a macro and takes any function).
static inline void CNice_on_candidate(
    NiceAgent *agent, void (*handler)(NiceAgent *, NiceCandidate *, gpointer), gpointer data) {
  g_signal_connect(agent, "new-candidate-full", G_CALLBACK(handler), data);
}

/// Typed connection of `candidate-gathering-done`.
static inline void CNice_on_gathering_done(
    NiceAgent *agent, void (*handler)(NiceAgent *, guint stream, gpointer), gpointer data) {
  g_signal_connect(agent, "candidate-gathering-done", G_CALLBACK(handler), data);
}

/// Typed connection of `new-selected-pair-full`.
static inline void CNice_on_selected_pair(
    NiceAgent *agent,
    void (*handler)(NiceAgent *, guint stream, guint component, NiceCandidate *, NiceCandidate *, gpointer),
    gpointer data) {
  g_signal_connect(agent, "new-selected-pair-full", G_CALLBACK(handler), data);
}

/// Typed connection of `component-state-changed`.
static inline void CNice_on_state(
    NiceAgent *agent, void (*handler)(NiceAgent *, guint stream, guint component, guint state, gpointer),
    gpointer data) {
  g_signal_connect(agent, "component-state-changed", G_CALLBACK(handler), data);
}

/// Prepares for talking to a STUN or TURN server that may want credentials (STUN_ALL_KNOWN_ATTRIBUTES is a static array,
/// and flags are an enumeration).
static inline void CNice_init_client(StunAgent *agent) {
  stun_agent_init(
      agent, STUN_ALL_KNOWN_ATTRIBUTES, STUN_COMPATIBILITY_RFC5389, STUN_AGENT_USAGE_LONG_TERM_CREDENTIALS);
}
