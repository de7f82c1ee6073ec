// SPDX-License-Identifier: GPL-2.0-only
/*
 * What QEMU calls outside translated code, in the form that its plugin interface has: up to
 * version 6 with the plugin's number, from version 7 with user data.
 */
#include "plugin.h"

#if EMB_PLUGIN_API < 7
#define UDATA
#define CALLED_WITH(argument) qemu_plugin_id_t id, argument
#define CALLED qemu_plugin_id_t id
#define UNUSED (void)id
#else
#define UDATA , NULL
#define CALLED_WITH(argument) argument, void *unused
#define CALLED void *unused
#define UNUSED (void)unused
#endif

static void vcpu_begins(CALLED_WITH(unsigned int index))
{
	UNUSED;
	on_vcpu(index);
}

static void translates(CALLED_WITH(struct qemu_plugin_tb *tb))
{
	UNUSED;
	on_translate(tb);
}

#if EMB_PLUGIN_API < 7
static void ends(qemu_plugin_id_t id, void *unused)
{
	(void)id;
#else
static void ends(void *unused)
{
#endif
	(void)unused;
	on_end();
}

void callbacks_register(void)
{
	qemu_plugin_register_vcpu_init_cb(plugin.id, vcpu_begins UDATA);
	qemu_plugin_register_vcpu_tb_trans_cb(plugin.id, translates UDATA);
	qemu_plugin_register_atexit_cb(plugin.id, ends, NULL);
}

static void reset(CALLED)
{
	UNUSED;
	callbacks_register();
	feed_armed();
}

/*
 * QEMU does so when all vCPUs stand still: the calling one at the end of its block, so it
 * executes no other block before.
 */
void translate_anew(void)
{
	qemu_plugin_reset(plugin.id, reset UDATA);
}
